//! Owns the way from the guest to a metadata service on this side: QEMU starts a relay for every
//! connection to 169.254.169.254, and the relay connects to a socket that is served here. No socket of
//! the host ever has that address. Must not know what the service answers.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

/// A guest that says nothing for so long has gone.
const IDLE: Duration = Duration::from_secs(30);

/// The metadata service of the guest.
#[derive(Clone)]
pub struct Metadata<'a> {
    /// The command, to which the socket's path is added, that calls [`relay`].
    pub relay: Vec<OsString>,
    /// Serves one connection to its end. It should serve [`report_user_data`](super::report_user_data)
    /// as user data: without it the guest reports nothing.
    pub serve: &'a (dyn Fn(UnixStream) + Sync),
}

impl std::fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}

/// Copies between standard input and output and the socket until the guest's connection or the
/// service ends. Writes nothing else: standard output is the guest.
pub fn relay(socket: &Path) -> io::Result<()> {
    let mut from_service = UnixStream::connect(socket)?;
    let mut to_service = from_service.try_clone()?;
    // Ends with the process: a guest may keep its side open after the service has closed.
    std::thread::spawn(move || {
        let copied = copy(&mut io::stdin().lock(), &mut to_service);
        // Nothing is left to tell when the service has gone.
        let _closed = copied.and_then(|()| to_service.shutdown(Shutdown::Write));
    });
    copy(&mut from_service, &mut io::stdout().lock())
}

/// Like `io::copy`, but what has been read is passed on at once.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0_u8; 8_192];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..read).unwrap_or(&buffer))?;
        to.flush()?;
    }
}

/// The socket and the thread that accepts on it.
#[derive(Debug)]
pub(crate) struct MetadataSocket<'scope> {
    path: PathBuf,
    stop: &'scope AtomicBool,
}

impl<'scope> MetadataSocket<'scope> {
    /// Listens at `path`, one thread for each connection. `connections` counts them.
    pub(crate) fn listen<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        path: PathBuf,
        serve: &'env (dyn Fn(UnixStream) + Sync),
        connections: &'scope AtomicU64,
        stop: &'scope AtomicBool,
    ) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        scope.spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                if stream.set_read_timeout(Some(IDLE)).is_ok()
                    && stream.set_write_timeout(Some(IDLE)).is_ok()
                {
                    scope.spawn(move || serve(stream));
                }
            }
        });
        Ok(Self { path, stop })
    }
}

impl Drop for MetadataSocket<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread. When nobody accepts any more, that is what is wanted.
        let _woken = UnixStream::connect(&self.path);
    }
}

/// A command line for `guestfwd=...-cmd:`: QEMU splits it like a shell, and its own options at commas.
pub(crate) fn forward_command(relay: &[OsString], socket: &Path) -> OsString {
    let words = relay
        .iter()
        .map(OsString::as_os_str)
        .chain([socket.as_os_str()]);
    let quoted: Vec<OsString> = words.map(quote).collect();
    quoted.join(OsStr::new(" "))
}

fn quote(word: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut out = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            b',' => out.extend_from_slice(b",,"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::{MetadataSocket, forward_command};

    #[test]
    fn relay_commands_survive_spaces_commas_and_quotes() {
        let command = forward_command(
            &["/a b/vm'image".into(), "relay".into()],
            Path::new("/tmp/x,y"),
        );
        assert_eq!(command, "'/a b/vm'\\''image' 'relay' '/tmp/x,,y'");
    }

    #[test]
    fn every_connection_is_served_and_the_socket_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metadata");
        let (connections, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let serve = |mut stream: UnixStream| {
            let mut request = [0_u8; 4];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&request).unwrap();
        };
        std::thread::scope(|scope| {
            let socket =
                MetadataSocket::listen(scope, path.clone(), &serve, &connections, &stop).unwrap();
            let mut first = UnixStream::connect(&path).unwrap();
            let mut second = UnixStream::connect(&path).unwrap();
            second.write_all(b"2nd.").unwrap();
            first.write_all(b"1st.").unwrap();
            let (mut one, mut two) = (String::new(), String::new());
            second.read_to_string(&mut two).unwrap();
            first.read_to_string(&mut one).unwrap();
            assert_eq!((one.as_str(), two.as_str()), ("1st.", "2nd."));
            drop(socket);
        });
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }
}
