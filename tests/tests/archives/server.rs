//! Owns a small file server on loopback: enough of HTTP/1.1 for apt and for vmimage.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// Serves a folder until the tests end.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves `root`; what is not there is answered with the status `missing`, and what lies below
    /// `/moved/` with a redirect to `redirect`.
    pub(crate) fn start(root: &Path, missing: u16, redirect: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (root, heard) = (root.to_owned(), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, heard, redirect) = (root.clone(), Arc::clone(&heard), redirect.clone());
                std::thread::spawn(move || {
                    // A client that went away is not a failure of the server.
                    drop(answer(&stream, &root, missing, redirect.as_deref(), &heard));
                });
            }
        });
        Self { address, requests }
    }

    /// Where a folder of it is found.
    pub(crate) fn url(&self, folder: &str) -> String {
        format!("http://{}/{folder}", self.address)
    }
}

fn answer(
    mut stream: &TcpStream,
    root: &Path,
    missing: u16,
    redirect: Option<&str>,
    heard: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut authorization = None;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
    }
    heard.lock().unwrap().push(Request {
        path: path.clone(),
        authorization,
    });
    if let Some((rest, to)) = path.strip_prefix("/moved/").zip(redirect) {
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {to}/{rest}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let file = decoded(root, &path);
    match fs::read(file) {
        Ok(body) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(&body)
        }
        Err(_) => write!(
            stream,
            "HTTP/1.1 {missing} Not here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    }
}

/// The file that the path of a URL names.
fn decoded(root: &Path, path: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let name = std::ffi::OsString::from_vec(percent_decode_str(path).collect());
    root.join(Path::new(&name).strip_prefix("/").unwrap_or(Path::new("")))
}
