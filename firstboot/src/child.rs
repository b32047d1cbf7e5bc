//! Owns running programs: argument lists, standard input from memory, output kept in memory, a
//! deadline. What a program leaves running in the background keeps nothing of ours open that
//! anybody waits for.

use crate::bytes::{Fault, Result, Text};
use crate::sys::{self, Errno, Fd};

/// Where programs are looked for, each with the NUL that begins its name's place.
const FOLDERS: [&[u8]; 4] = [b"/usr/sbin/", b"/usr/bin/", b"/sbin/", b"/bin/"];

/// What programs see of our environment.
const ENVIRONMENT: &[u8] = b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0LC_ALL=C.UTF-8\0HOME=/root\0DEBIAN_FRONTEND=noninteractive\0";

/// Exit status of a program that is not there, as shells have it.
const NOT_FOUND: u8 = 127;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status; 128 and the signal's number if one ended it.
    With(u8),
    /// Not in time: it was killed with all it had started.
    Late,
}

impl Ended {
    /// Whether it succeeded.
    pub fn is_success(self) -> bool {
        self == Self::With(0)
    }
}

const NO_MEMORY: Fault = Fault("no memory or no process can be had");

/// Runs `arguments`, each of which ends with NUL, for at most so many milliseconds. `output` gets its
/// standard output, `errors` its standard error, each as far as it has room.
pub fn run(
    arguments: &[u8],
    input: &[u8],
    output: &mut Text,
    errors: &mut Text,
    milliseconds: u64,
) -> Result<Ended> {
    let mut files = [-1; 3];
    for file in &mut files {
        match sys::memory_file() {
            Ok(made) => *file = made,
            Err(_) => {
                close_all(files);
                return Err(NO_MEMORY);
            }
        }
    }
    let begun = sys::write_all(files[0], input)
        .and_then(|()| sys::seek(files[0], 0, false))
        .and_then(|_| sys::fork());
    let ended = match begun {
        Ok(None) => become_program(arguments, files),
        Ok(Some(child)) => Ok(finish(child, milliseconds)),
        Err(_) => Err(NO_MEMORY),
    };
    for (file, text) in [(files[1], output), (files[2], errors)] {
        // What is too long is cut; who needs it whole asks `Text::whole`.
        if sys::seek(file, 0, false).is_ok() {
            let _cut = text.read_from(file);
        }
    }
    close_all(files);
    ended
}

fn close_all(files: [Fd; 3]) {
    for file in files {
        sys::close(file);
    }
}

fn become_program(arguments: &[u8], files: [Fd; 3]) -> ! {
    sys::new_session();
    for (file, standard) in files.into_iter().zip(0..) {
        sys::duplicate(file, standard);
    }
    let name = crate::bytes::split(arguments, b"\0").0;
    if name.contains(&b'/') {
        sys::execute(name, arguments, ENVIRONMENT);
    } else {
        let mut path = [0; 256];
        for folder in FOLDERS {
            let length = folder.len() + name.len();
            if let Some(place) = path.get_mut(..length) {
                place[..folder.len()].copy_from_slice(folder);
                place[folder.len()..].copy_from_slice(name);
                if sys::execute(place, arguments, ENVIRONMENT) != Errno::NOT_FOUND {
                    break;
                }
            }
        }
    }
    sys::exit(NOT_FOUND)
}

fn finish(child: i32, milliseconds: u64) -> Ended {
    // Without a descriptor to watch there is no deadline, but an end.
    let is_over = match sys::watch(child) {
        Ok(watched) => {
            let [is_over, _] = sys::wait_for([watched, -1], false, milliseconds);
            sys::close(watched);
            is_over
        }
        Err(_) => true,
    };
    if !is_over {
        sys::kill(-child);
    }
    let status = sys::reap(child);
    if is_over {
        Ended::With(status)
    } else {
        Ended::Late
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, run};
    use crate::bytes::Text;

    fn said(arguments: &[u8], input: &[u8], milliseconds: u64) -> (Ended, String, String) {
        let (mut output, mut errors) = (Text::new(1 << 16), Text::new(1 << 16));
        let ended = run(arguments, input, &mut output, &mut errors, milliseconds).unwrap();
        let text = |text: &Text| String::from_utf8_lossy(text.get()).into_owned();
        (ended, text(&output), text(&errors))
    }

    #[test]
    fn programs_get_their_input_and_give_output_errors_and_status() {
        let both = b"sh\0-c\0cat; echo \"$1\" >&2; exit 3\0sh\0two words\0";
        assert_eq!(
            said(both, b"in\n", 5_000),
            (Ended::With(3), "in\n".into(), "two words\n".into())
        );
        assert_eq!(said(b"true\0", b"", 5_000).0, Ended::With(0));
        assert_eq!(said(b"no-such-program\0", b"", 5_000).0, Ended::With(127));
        assert_eq!(said(b"/no/such/program\0", b"", 5_000).0, Ended::With(127));
        assert_eq!(
            said(b"sh\0-c\0kill -9 $$\0", b"", 5_000).0,
            Ended::With(137)
        );
    }

    #[test]
    fn one_that_is_late_is_killed_with_its_children() {
        let (ended, output, _) = said(b"sh\0-c\0echo begun; sleep 100 & sleep 100\0", b"", 200);
        assert_eq!((ended, output.as_str()), (Ended::Late, "begun\n"));
    }

    #[test]
    fn nobody_waits_for_what_is_left_in_the_background() {
        assert_eq!(
            said(b"sh\0-c\0setsid sleep 3 & echo done\0", b"", 2_000),
            (Ended::With(0), "done\n".into(), String::new())
        );
    }
}
