//! Owns running programs: argument lists, standard input from memory, output kept in memory, a
//! deadline. What a program leaves running in the background keeps nothing of ours open that
//! anybody waits for.

use crate::bytes::{Fault, Result, Text};
use crate::sys::{self, Fd};

/// Finds a program as a shell would, and gives it its environment.
const ENVIRONMENT: &[u8] = b"/usr/bin/env\0-i\0PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0LC_ALL=C.UTF-8\0HOME=/root\0";

pub use crate::sys::NOT_FOUND;

/// In place of an exit status: the program's time was over, and it was killed with all it had started.
pub const LATE: u8 = 255;

/// Runs `arguments`, each of which ends with NUL, for at most so many milliseconds; gives the exit
/// status, 128 and the signal that ended it, or [`LATE`]. `output` gets its standard output, `errors`
/// its standard error, each as far as it has room.
pub fn run(
    arguments: &[u8],
    input: &[u8],
    output: &mut Text,
    errors: &mut Text,
    milliseconds: u64,
) -> Result<u8> {
    let file = || sys::memory_file().unwrap_or(-1);
    let (standard, said, complained) = (file(), file(), file());
    let mut status = Err(Fault::System);
    if sys::write_all(standard, input).is_ok() && sys::seek(standard, 0, false).is_ok() {
        if let Ok(child) = sys::spawn([ENVIRONMENT, arguments], [standard, said, complained]) {
            status = Ok(finish(child, milliseconds));
        }
    }
    take(said, output);
    take(complained, errors);
    sys::close(standard);
    status
}

/// What is too long is cut; who needs it whole asks `Text::whole`.
fn take(file: Fd, into: &mut Text) {
    let _rewound = sys::seek(file, 0, false);
    let _cut = into.read_from(file);
    sys::close(file);
}

fn finish(child: i32, milliseconds: u64) -> u8 {
    // Without a descriptor to watch there is no deadline, but an end.
    let watched = sys::watch(child).unwrap_or(-1);
    let is_over = watched < 0 || sys::wait_for(watched, milliseconds);
    sys::close(watched);
    if !is_over {
        sys::kill(-child);
    }
    let status = sys::reap(child);
    if is_over { status } else { LATE }
}

#[cfg(test)]
mod tests {
    use super::{LATE, run};
    use crate::bytes::Text;

    fn said(arguments: &[u8], input: &[u8], milliseconds: u64) -> (u8, String, String) {
        let (mut output, mut errors) = (Text::default(), Text::default());
        let ended = run(arguments, input, &mut output, &mut errors, milliseconds).unwrap();
        let text = |text: &Text| String::from_utf8_lossy(text.get()).into_owned();
        (ended, text(&output), text(&errors))
    }

    #[test]
    fn programs_get_their_input_and_give_output_errors_and_status() {
        let both = b"sh\0-c\0cat; echo \"$1\" >&2; exit 3\0sh\0two words\0";
        assert_eq!(
            said(both, b"in\n", 60_000),
            (3, "in\n".into(), "two words\n".into())
        );
        assert_eq!(said(b"true\0", b"", 60_000).0, 0);
        assert_eq!(said(b"no-such-program\0", b"", 60_000).0, 127);
        assert_eq!(said(b"/no/such/program\0", b"", 60_000).0, 127);
        assert_eq!(said(b"sh\0-c\0kill -9 $$\0", b"", 60_000).0, 137);
    }

    #[test]
    fn one_that_is_late_is_killed_with_its_children() {
        let (ended, output, _) = said(b"sh\0-c\0echo begun; sleep 100 & sleep 100\0", b"", 3_000);
        assert_eq!((ended, output.as_str()), (LATE, "begun\n"));
    }

    #[test]
    fn nobody_waits_for_what_is_left_in_the_background() {
        assert_eq!(
            said(b"sh\0-c\0setsid sleep 40 & echo done\0", b"", 30_000),
            (0, "done\n".into(), String::new())
        );
    }
}
