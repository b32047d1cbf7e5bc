//! Owns downloading many files at once and saying how far it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use vmimage_plan::event::{Event, Sink};

use super::control::Control;
use super::download::{Got, Verify, Wanted, obtain};
use super::error::DownloadError;
use super::transport::Transport;

/// How many files are downloaded at a time: enough to hide a mirror's latency, few enough to be
/// welcome there.
pub(crate) const CONNECTIONS: usize = 6;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

/// A file with what people call it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its place in the caller's own list.
    pub(crate) index: usize,
    /// What progress calls it.
    pub(crate) name: String,
    /// The file.
    pub(crate) wanted: Wanted,
    /// Other forms of it, in the order in which they are asked for when the archive does not have it.
    pub(crate) instead: Vec<Wanted>,
}

impl Item {
    /// The forms that count, the best first.
    fn forms(&self) -> impl Iterator<Item = &Wanted> {
        std::iter::once(&self.wanted).chain(&self.instead)
    }
}

/// What was downloaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Files.
    pub(crate) downloaded: usize,
    /// Bytes.
    pub(crate) downloaded_bytes: u64,
    /// Which of its forms each item was had in: 0 is the best.
    pub(crate) forms: Vec<usize>,
}

enum Message {
    Bytes(u64),
    Done(usize, Result<(usize, Got), DownloadError>),
}

/// Brings all files into the cache. The error comes with the position of its item.
pub(crate) fn obtain_all(
    step: &str,
    transport: &Transport,
    items: &[Item],
    verify: Verify,
    sink: Sink<'_>,
) -> Result<Tally, (usize, DownloadError)> {
    let control = Control::default();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(|| work(transport, items, verify, &control, &next, sender));
        }
        drop(sender);
        listen(step, items, &control, &receiver, sink)
    })
}

fn work(
    transport: &Transport,
    items: &[Item],
    verify: Verify,
    control: &Control,
    next: &AtomicUsize,
    sender: Sender<Message>,
) {
    while !control.stopped() {
        let position = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(position) else {
            break;
        };
        // The receiver outlives every worker; if it were gone there would be nobody to tell.
        let mut on_bytes = |count| drop(sender.send(Message::Bytes(count)));
        let result = obtain_any(transport, item, verify, control, &mut on_bytes);
        drop(sender.send(Message::Done(position, result)));
    }
    drop(sender);
}

/// The first form that the archive has. As apt does, another one is not asked for because this one
/// is not what it should be.
fn obtain_any(
    transport: &Transport,
    item: &Item,
    verify: Verify,
    control: &Control,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<(usize, Got), DownloadError> {
    let mut missing = None;
    for (form, wanted) in item.forms().enumerate() {
        match obtain(transport, wanted, verify, control, on_bytes) {
            Ok(got) => return Ok((form, got)),
            Err(error) if error.is_absence() => {
                missing.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(missing.unwrap_or(DownloadError::Stopped))
}

fn listen(
    step: &str,
    items: &[Item],
    control: &Control,
    receiver: &Receiver<Message>,
    sink: Sink<'_>,
) -> Result<Tally, (usize, DownloadError)> {
    let total: u64 = items
        .iter()
        .map(|item| item.wanted.size)
        .fold(0, u64::saturating_add);
    let mut tally = Tally {
        forms: vec![0; items.len()],
        ..Tally::default()
    };
    let mut failure = None;
    let (mut done, mut told) = (0, Instant::now());
    let mut doing = String::new();
    for message in receiver {
        match message {
            Message::Bytes(count) => tally.downloaded_bytes += count,
            Message::Done(position, Ok((form, got))) => {
                if let Some(chosen) = tally.forms.get_mut(position) {
                    *chosen = form;
                }
                if let Some(item) = items.get(position) {
                    doing.clone_from(&item.name);
                    if got == Got::Cached {
                        done += item.wanted.size;
                    }
                }
                tally.downloaded += usize::from(got == Got::Downloaded);
            }
            Message::Done(position, Err(error)) => {
                control.stop();
                // The first failure counts; what it stopped only says that it was stopped.
                failure.get_or_insert((position, error));
            }
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            sink(Event::Progress {
                step: step.to_owned(),
                done: (done + tally.downloaded_bytes).min(total),
                total,
                unit: "bytes".to_owned(),
                doing: doing.clone(),
            });
        }
    }
    failure.map_or(Ok(tally), Err)
}
