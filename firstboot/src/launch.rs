//! Owns a launch as a whole: who am I, what am I to do, do it, tell. The path by which a failure is
//! told is ready before anything can fail.

use crate::bytes::{Fault, Hash, Result, cut};
use crate::clock::now_ms;
use crate::console;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::program::{MAGIC, flag};
use crate::reader::{Header, Reader, Step};
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
    let Some((hash, reader)) = program_of(file) else {
        return damaged();
    };
    let Ok(header) = Header::read(&mut Reader(reader.0)) else {
        return damaged();
    };
    let mut node = Node::new(header, endpoint);
    let identified = node.identify().and_then(|()| {
        node.text.clear().hex(hash.0);
        node.facts.set(fact::PROGRAM, node.text.get())
    });
    if let Err(fault) = identified {
        node.say_fault(b"this instance does not become a node: ", fault);
        return UNKNOWN;
    }
    if task == Task::Launch {
        return launch(&mut node, reader);
    }
    let done = node.read_tags().and_then(|()| report(&mut node, reader));
    if let Err(fault) = done {
        node.say_fault(b"there is no report: ", fault);
        return FAILED;
    }
    READY
}

fn damaged() -> u8 {
    console::say(Fault::Damaged.words().as_bytes());
    BAD_INPUT
}

/// The program at the end of an executable file, and what tells it from others.
fn program_of(file: &'static [u8]) -> Option<(Hash, Reader)> {
    let (rest, length) = file.strip_suffix(&MAGIC)?.split_last_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let program = rest.get(rest.len().checked_sub(length)?..)?;
    let mut hash = Hash::new();
    hash.add(program);
    Some((hash, Reader(program)))
}

fn launch(node: &mut Node, reader: Reader) -> u8 {
    let begun = now_ms();
    let done = prepare(node)
        .and_then(|()| steps(node, reader, Task::Launch))
        .and_then(|()| report(node, reader));
    if let Err(fault) = done {
        fail(node, fault);
        return FAILED;
    }
    if let Err(fault) = node.complete(b"CONTINUE") {
        node.say_fault(b"the node is ready, but Auto Scaling is not told: ", fault);
        return UNTOLD;
    }
    mark_ready();
    node.text.clear().number(now_ms() - begun);
    let _unsaid = node.facts.set(A, node.text.get());
    node.say(phrase!(
        "{instance} is a node of {cluster}: {role}, ready after {a} ms"
    ));
    READY
}

fn report(node: &mut Node, reader: Reader) -> Result<()> {
    node.facts.set(fact::OUTCOME, b"ready")?;
    steps(node, reader, Task::Report)?;
    node.report(b"ready", b"")
}

fn prepare(node: &mut Node) -> Result<()> {
    node.read_tags()?;
    node.leave_warm_pool()?;
    node.journal.open(node.facts.get(fact::INSTANCE))?;
    node.journal
        .note(b" launch with program ", node.facts.get(fact::PROGRAM))?;
    if node.profile.is_empty() {
        return node.fault(Fault::NoProfile, b"");
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
        let is_of_report = step.flags & flag::REPORT != 0;
        if is_of_report != (task == Task::Report) || !node.facts.all_hold(step.when) {
            continue;
        }
        let begun = now_ms();
        node.detail.clear();
        let done = perform(node, &step);
        // The report is refreshed every minute: it speaks when something is wrong.
        if !is_of_report || done.is_err() {
            let line = node
                .line
                .clear()
                .number(number.into())
                .push(b"/")
                .number(count.into());
            line.push(b" ").push(step.title).push(match done {
                Ok(true) => b": done, ",
                Ok(false) => b": as it should be, ",
                Err(_) => b": failed, ",
            });
            line.number(now_ms() - begun).push(b" ms");
            console::say(node.line.get());
        }
        done?;
    }
    Ok(())
}

/// Does a step for every item of its list, or once; says whether it did anything.
fn perform(node: &mut Node, step: &Step) -> Result<bool> {
    if step.each == 0 {
        return node.perform(step, b"");
    }
    let mut items = node.facts.get(step.each);
    let mut has_acted = false;
    while !items.is_empty() {
        has_acted |= node.perform(step, cut(&mut items, b'\n'))?;
    }
    Ok(has_acted)
}

fn fail(node: &mut Node, fault: Fault) {
    node.say_fault(b"this instance does not become a node: ", fault);
    let reason = node
        .text
        .clear()
        .push(fault.words().as_bytes())
        .push(node.detail.get())
        .get();
    let reason = node.facts.keep(reason).unwrap_or_default();
    let _unwritten = node.journal.note(b" failed: ", reason);
    node.stop_started();
    // The group first: it is what puts another instance in the place of this one.
    if let Err(fault) = node.complete(b"ABANDON") {
        node.say_fault(b"Auto Scaling is not told: ", fault);
    }
    if let Err(fault) = node.report(b"failed", reason) {
        node.say_fault(b"there is no report: ", fault);
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
