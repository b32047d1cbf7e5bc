//! Owns the sockets: HTTP/1.1 with and without TLS in front of a [`Cloud`], on a thread of its own. Who
//! made the listeners, and in which network namespace, is the caller's business.

use std::future::Future as _;
use std::net::{IpAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use super::clock::Clock;
use super::cloud::{Cloud, Reply, body_limit};
use super::tls::{CertificateAuthority, TlsError};

/// More connections wait; a lab of some hundred nodes has fewer.
const MOST_CONNECTIONS: usize = 2_048;
/// A client that sends nothing must not hold a connection for ever.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// For a whole body.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// The longest head: botocore's and the SDK's are below 4 KiB, presigned ones with tokens below 8.
const HEAD_BYTES: usize = 64 * 1_024;
/// What is read of a body that is too large; whoever sends more finds the connection closed.
const MOST_DISCARDED_BYTES: usize = 128 * 1_024 * 1_024;
/// How often the simulation is looked after at least; virtual time moves without telling.
const TICK: Duration = Duration::from_millis(100);
/// And at most.
const SHORTEST_TICK: Duration = Duration::from_millis(5);
/// How long a response that is cut stays open: an error at once would drop what is not sent yet.
const BREAK: Duration = Duration::from_millis(20);

/// A socket that is bound already.
#[derive(Debug)]
pub enum Listener {
    /// Plain HTTP.
    Http(StdListener),
    /// TLS with a certificate of the lab's authority.
    Https(StdListener),
}

/// Is called after every request and whenever something happened by itself, on the server's thread and
/// without the lock: a good moment to look at [`crate::aws::Aws::take_changes`].
pub type Activity = Arc<dyn Fn() + Send + Sync>;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The runtime or a socket failed.
    #[error("cannot start the server of the lab")]
    Start(#[source] std::io::Error),
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Stops it and waits until its sockets are closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed; there is nothing left to do about it.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    cloud: Arc<Mutex<Cloud>>,
    clock: Clock,
    activity: Activity,
    permits: Arc<Semaphore>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves `cloud` on `listeners` until the result is dropped.
pub fn serve(
    listeners: Vec<Listener>,
    cloud: Arc<Mutex<Cloud>>,
    clock: Clock,
    authority: &CertificateAuthority,
    activity: Activity,
) -> Result<Server, ServeError> {
    let regions = cloud
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .regions
        .clone();
    let mut addresses = Vec::new();
    for listener in &listeners {
        let (Listener::Http(socket) | Listener::Https(socket)) = listener;
        socket.set_nonblocking(true).map_err(ServeError::Start)?;
        addresses.push(socket.local_addr().map_err(ServeError::Start)?.ip());
    }
    addresses.push(IpAddr::from([127, 0, 0, 1]));
    addresses.sort_unstable();
    addresses.dedup();
    let acceptor = TlsAcceptor::from(authority.server_config(&regions, &addresses)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let (stop, stopped) = watch::channel(false);
    let shared = Shared {
        cloud,
        clock,
        activity,
        permits: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
    };
    let thread = std::thread::Builder::new()
        .name("lab-wire".to_owned())
        .spawn(move || runtime.block_on(run(listeners, shared, acceptor, stopped)))
        .map_err(ServeError::Start)?;
    Ok(Server {
        stop,
        thread: Some(thread),
    })
}

/// Runs until told to stop; what is under way then is dropped with the runtime.
async fn run(
    listeners: Vec<Listener>,
    shared: Shared,
    acceptor: TlsAcceptor,
    mut stopped: watch::Receiver<bool>,
) {
    for listener in listeners {
        let (socket, tls) = match listener {
            Listener::Http(socket) => (socket, None),
            Listener::Https(socket) => (socket, Some(acceptor.clone())),
        };
        // A socket that the runtime does not take cannot be listened on; the others can.
        if let Ok(socket) = TcpListener::from_std(socket) {
            tokio::spawn(accept(socket, tls, shared.clone()));
        }
    }
    tokio::spawn(tick(shared));
    // An error means that the server was dropped, which is a stop as well.
    let _ended = stopped.wait_for(|stop| *stop).await;
}

/// Lets everything happen that happens by itself.
async fn tick(shared: Shared) {
    loop {
        let now = shared.clock.moment().now;
        let next = {
            let mut cloud = shared.lock();
            cloud.advance(now);
            cloud.next_due(now)
        };
        (shared.activity)();
        let until_next = next.map_or(TICK, |next| next.saturating_sub(now));
        tokio::time::sleep(until_next.clamp(SHORTEST_TICK, TICK)).await;
    }
}

async fn accept(socket: TcpListener, tls: Option<TlsAcceptor>, shared: Shared) {
    loop {
        let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else {
            return;
        };
        let Ok((stream, _peer)) = socket.accept().await else {
            // Too many open files, most likely: others have to close theirs first.
            tokio::time::sleep(TICK).await;
            continue;
        };
        // Small responses must not wait for the client's acknowledgement.
        let _without = stream.set_nodelay(true);
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, shared).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        connection(stream, shared).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Shared) {
    let answer = service_fn(move |request| answer(request, shared.clone()));
    // It ends with an error when the client goes away or a fault closes it: both are ordinary.
    let _ended = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// The connection is to be closed without a response.
#[derive(Debug, thiserror::Error)]
#[error("a fault of the lab closes this connection")]
struct Close;

async fn answer(request: Request<Incoming>, shared: Shared) -> Result<Response<Outgoing>, Close> {
    let (head, body) = request.into_parts();
    let Some(reply) = reply(&head, body, &shared).await else {
        return Err(Close);
    };
    (shared.activity)();
    if !reply.delivery.delay.is_zero() {
        tokio::time::sleep(reply.delivery.delay).await;
    }
    if reply.delivery.close {
        return Err(Close);
    }
    let cut = reply.delivery.cut;
    Ok(reply.response.map(|body| Outgoing::new(body, cut)))
}

/// `None`: the client broke off.
async fn reply(head: &Parts, body: Incoming, shared: &Shared) -> Option<Reply> {
    let limit = body_limit(head);
    if body.size_hint().lower() > limit as u64 {
        // Reading would tell a client that waits to go on; one that does not wait has to be heard out
        // before it listens.
        if !head.headers.contains_key("expect") {
            let _unread = tokio::time::timeout(BODY_TIMEOUT, discard(body)).await;
        }
        return Some(shared.lock().too_large(head));
    }
    let limited = Limited::new(body, limit);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            let moment = shared.clock.moment();
            Some(shared.lock().respond(head, &body, moment))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Some(shared.lock().too_large(head)),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Reads a body that nobody wants, within limits.
async fn discard(mut body: Incoming) {
    let mut left = MOST_DISCARDED_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// A body that may break off before its announced end.
#[derive(Debug)]
struct Outgoing {
    bytes: Option<Bytes>,
    announced: u64,
    /// The time until it breaks off, in which what was sent before leaves the process.
    breaks_off: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    fn new(mut body: Bytes, cut: Option<usize>) -> Self {
        let announced = body.len() as u64;
        let kept = cut.map_or(body.len(), |cut| cut.min(body.len()));
        let breaks_off = kept < body.len();
        body.truncate(kept);
        Self {
            bytes: Some(body).filter(|bytes| !bytes.is_empty()),
            announced,
            breaks_off: breaks_off.then(|| Box::pin(tokio::time::sleep(BREAK))),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Close;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Close>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.breaks_off {
            None => Poll::Ready(None),
            Some(sleep) => sleep.as_mut().poll(context).map(|()| Some(Err(Close))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.breaks_off.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
