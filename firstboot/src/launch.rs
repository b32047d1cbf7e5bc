//! Owns a launch as a whole: who am I, what am I to do, do it, tell. The path by which a failure is
//! told is ready before anything can fail.

use crate::bytes::{Fault, Hash, Result};
use crate::clock::now_ms;
use crate::console::Line;
use crate::facts::DAMAGED;
use crate::node::{Node, fact};
use crate::program::{MAGIC, flag};
use crate::reader::{Header, Reader, Step};
use crate::step::Outcome;
use crate::sys;

/// Exit status: the node is what it should be.
pub const READY: u8 = 0;
/// Exit status: a step failed; Auto Scaling was told.
pub const FAILED: u8 = 1;
/// Exit status: the program or the command line is damaged.
pub const BAD_INPUT: u8 = 2;
/// Exit status: it is not known who this is, so nobody could be told.
pub const UNKNOWN: u8 = 3;
/// Exit status: the node is ready, but Auto Scaling could not be told.
pub const UNTOLD: u8 = 4;

/// Says that a launch has succeeded since the last boot; the report's timer waits for it.
const READY_FILE: &[u8] = b"/run/vmimage/ready";

/// What is asked of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Become a node.
    Launch,
    /// Write the node's report.
    Report,
}

/// Does what is asked with the program at the end of `file`; gives the exit status.
pub fn run(file: &'static [u8], task: Task, endpoint: &'static [u8]) -> u8 {
    let Some((program, mut reader)) = program_of(file) else {
        Line::new().text(DAMAGED.0.as_bytes());
        return BAD_INPUT;
    };
    let Ok(header) = Header::read(&mut reader) else {
        Line::new().text(DAMAGED.0.as_bytes());
        return BAD_INPUT;
    };
    let mut node = Node::new(header, endpoint);
    let mut hash = Hash::new();
    hash.add(program);
    let identified = node.identify().and_then(|()| {
        node.text.clear().hex(hash.0);
        node.facts.set(fact::PROGRAM, node.text.get())
    });
    if let Err(Fault(why)) = identified {
        let detail = node.detail.get();
        Line::new()
            .text(b"this instance cannot become a node: ")
            .text(why.as_bytes())
            .text(b" ")
            .text(detail);
        return UNKNOWN;
    }
    match task {
        Task::Launch => launch(&mut node, reader),
        Task::Report => {
            match steps(&mut node, reader, task).and_then(|()| node.report(b"ready", b"")) {
                Ok(()) => READY,
                Err(Fault(why)) => {
                    Line::new()
                        .text(b"no report: ")
                        .text(why.as_bytes())
                        .text(b" ")
                        .text(node.detail.get());
                    FAILED
                }
            }
        }
    }
}

/// The program at the end of an executable file.
fn program_of(file: &'static [u8]) -> Option<(&'static [u8], Reader)> {
    let (rest, length) = file.strip_suffix(&MAGIC)?.split_last_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let program = rest.get(rest.len().checked_sub(length)?..)?;
    Some((program, Reader(program)))
}

fn launch(node: &mut Node, reader: Reader) -> u8 {
    let begun = now_ms();
    let done = prepare(node).and_then(|()| steps(node, reader, Task::Launch));
    let done = done.and_then(|()| {
        node.facts.set(fact::OUTCOME, b"ready")?;
        steps(node, reader, Task::Report)
    });
    let done = done.and_then(|()| node.report(b"ready", b""));
    if let Err(Fault(why)) = done {
        fail(node, why);
        return FAILED;
    }
    let told = node.complete(b"CONTINUE");
    if let Err(Fault(why)) = told {
        Line::new()
            .text(why.as_bytes())
            .text(b" ")
            .text(node.detail.get());
        return UNTOLD;
    }
    mark_ready();
    let [role, cluster, instance] =
        [fact::ROLE, fact::CLUSTER, fact::INSTANCE].map(|number| node.facts.get(number));
    Line::new()
        .text(instance)
        .text(b" is a node of ")
        .text(cluster)
        .text(b": ")
        .text(role)
        .text(b", ready after ")
        .number(now_ms() - begun)
        .text(b" ms, ")
        .number(now_ms() / 1_000)
        .text(b" s after boot");
    READY
}

fn prepare(node: &mut Node) -> Result<()> {
    // Until the tags are read, the group's name is what the launch template says.
    let group = node.header.group;
    node.facts.set(fact::GROUP, group)?;
    node.read_tags()?;
    node.leave_warm_pool()?;
    let instance = node.facts.get(fact::INSTANCE);
    node.journal.open(instance)?;
    let program = node.facts.get(fact::PROGRAM);
    node.journal.note(&[b"launch with program ", program])?;
    if node.profile.get().is_empty() {
        return Err(Fault(
            "the instance has no instance profile, so it has no credentials",
        ));
    }
    if !node.target_state()?.is_empty() {
        node.begin_heartbeat();
    }
    Ok(())
}

/// Does the steps of a task.
fn steps(node: &mut Node, mut reader: Reader, task: Task) -> Result<()> {
    let count = Header::read(&mut reader)?.steps;
    for number in 1..=count {
        let step = Step::read(&mut reader)?;
        if (step.flags & flag::REPORT != 0) != (task == Task::Report) {
            continue;
        }
        let begun = now_ms();
        let done = perform(node, &step);
        match done {
            // The report is refreshed every minute: it speaks when something is wrong.
            Ok(None) => continue,
            Ok(Some(_)) if task == Task::Report => continue,
            Ok(Some(outcome)) => {
                let mut line = Line::new();
                place(&mut line, number, count, &step);
                line.text(if outcome == Outcome::Done {
                    b"done"
                } else {
                    b"as it should be"
                });
                line.text(b", ").number(now_ms() - begun).text(b" ms");
            }
            Err(fault) => {
                let mut line = Line::new();
                place(&mut line, number, count, &step);
                line.text(b"failed after ")
                    .number(now_ms() - begun)
                    .text(b" ms");
                return Err(fault);
            }
        }
    }
    Ok(())
}

fn place(line: &mut Line, number: u16, count: u16, step: &Step) {
    line.number(number.into())
        .text(b"/")
        .number(count.into())
        .text(b" ")
        .text(step.title)
        .text(b": ");
}

/// Does a step for every item; `None` if it is not for this node.
fn perform(node: &mut Node, step: &Step) -> Result<Option<Outcome>> {
    node.detail.clear();
    if !node.facts.all_hold(step.when) {
        return Ok(None);
    }
    if step.each == 0 {
        return node.perform(step, b"").map(Some);
    }
    let mut all = Outcome::Unchanged;
    for item in node.facts.items(step.each) {
        if node.perform(step, item)? == Outcome::Done {
            all = Outcome::Done;
        }
    }
    Ok(Some(all))
}

fn fail(node: &mut Node, why: &str) {
    let reason = node
        .other
        .clear()
        .push_all(&[why.as_bytes(), b" ", node.detail.get()])
        .get();
    let reason = node.facts.keep(reason).unwrap_or_default();
    let instance = node.facts.get(fact::INSTANCE);
    Line::new()
        .text(instance)
        .text(b" does not become a node: ")
        .text(reason);
    let _unwritten = node.journal.note(&[b"failed: ", reason]);
    node.stop_started();
    // The group first: it is what puts another instance in the place of this one.
    node.abandon();
    if !node.facts.get(fact::BUCKET).is_empty() && node.report(b"failed", reason).is_err() {
        Line::new()
            .text(b"the cluster's state could not be told: ")
            .text(node.detail.get());
    }
}

fn mark_ready() {
    let made = sys::make_directory(b"/run/vmimage", 0o700)
        .and_then(|()| sys::open(READY_FILE, sys::CREATE, 0o600));
    if let Ok(file) = made {
        sys::close(file);
    }
}

/// Reads what the engine's own file holds.
pub fn own_file() -> Option<&'static [u8]> {
    let file = sys::open(b"/proc/self/exe", sys::READ, 0).ok()?;
    let length = sys::seek(file, 0, true).ok()?;
    sys::seek(file, 0, false).ok()?;
    let bytes = sys::memory(length);
    let read = sys::read_all(file, bytes).ok()?;
    sys::close(file);
    bytes.get(..read)
}
