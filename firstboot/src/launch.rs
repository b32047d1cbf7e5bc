//! Owns a launch as a whole: who am I, what am I to do, do it, tell. The path by which a failure is
//! told is ready before anything can fail.

use crate::bytes::{Fault, Hash, Result, cut};
use crate::clock::{Tries, now_ms};
use crate::console;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::program::{MAGIC, flag, op};
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
const READY_FILE: &[u8] = b"/run/vmimage/ready\0";

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
    let mut node = Node {
        endpoint,
        ..Node::default()
    };
    node.facts
        .set(fact::PROGRAM, node.text.clear().hex(hash.0).get());
    let Ok(header) = Header::read(&mut Reader(reader.0)) else {
        return damaged();
    };
    node.hook = header.fields[1];
    if let Err(fault) = node.identify(header.fields) {
        node.say_fault(b"this instance does not become a node: ", fault);
        return UNKNOWN;
    }
    if task == Task::Launch {
        return launch(&mut node, reader, header);
    }
    let done = node
        .read_tags(header.fields)
        .and_then(|()| steps(&mut node, reader, flag::REPORT));
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

fn launch(node: &mut Node, reader: Reader, header: Header) -> u8 {
    let begun = now_ms();
    node.facts.set(fact::OUTCOME, b"ready");
    let done = prepare(node, header)
        .and_then(|()| steps(node, reader, 0))
        .and_then(|()| steps(node, reader, flag::REPORT));
    if let Err(fault) = done {
        fail(node, reader, fault);
        return FAILED;
    }
    if let Err(fault) = node.complete(b"CONTINUE") {
        node.say_fault(b"the node is ready, but Auto Scaling is not told: ", fault);
        return UNTOLD;
    }
    mark_ready();
    node.facts
        .set(A, node.text.clear().number(now_ms() - begun).get());
    node.say(phrase!(
        "{instance} is a node of {cluster}: {role}, ready after {a} ms"
    ));
    READY
}

fn prepare(node: &mut Node, header: Header) -> Result<()> {
    node.read_tags(header.fields)?;
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

/// Does the steps of a task: those that have just this one of the flags for tasks.
fn steps(node: &mut Node, mut reader: Reader, task: u8) -> Result<()> {
    let count = Header::read(&mut reader)?.steps;
    let mut begins = [reader; 256];
    let mut repeat: Option<(u16, Tries)> = None;
    let mut number = 0;
    while number < count {
        if let Some(place) = begins.get_mut(usize::from(number)) {
            *place = reader;
        }
        number += 1;
        let step = Step::read(&mut reader)?;
        if step.numbers[1] & (flag::REPORT | flag::FAILED) != task
            || !node.facts.all_hold(step.fields[0])
        {
            continue;
        }
        if step.numbers[0] == op::REPEAT {
            let [_, _, conditions, back, about, ..] = step.fields;
            let mut tries = match repeat {
                Some((at, tries)) if at == number => tries,
                _ => Tries::for_secs(step.deadline_secs.into()),
            };
            if !node.facts.all_hold(conditions) {
                if !tries.again() {
                    return node.fault(Fault::NotInTime, about);
                }
                repeat = Some((number, tries));
                number -= 1 + u16::from(*back.first().ok_or(Fault::Damaged)?).min(number - 1);
                reader = *begins.get(usize::from(number)).ok_or(Fault::Damaged)?;
            }
            continue;
        }
        let begun = now_ms();
        node.detail.clear();
        let done =
            perform(node, &step).and_then(|has_acted| node.facts.whole().map(|()| has_acted));
        let title = step.fields[1];
        // The report is refreshed every minute: it speaks when something is wrong.
        if done.is_err() || task == 0 && !title.is_empty() {
            let line = node
                .line
                .clear()
                .number(number.into())
                .push(b"/")
                .number(count.into());
            line.push(b" ").push(title).push(match done {
                Ok(true) => b": done, ",
                Ok(false) => b": as it should be, ",
                Err(_) => b": failed, ",
            });
            console::say(line.number(now_ms() - begun).push(b" ms").get());
        }
        done?;
    }
    Ok(())
}

/// Does a step for every item of its list, or once; says whether it did anything.
fn perform(node: &mut Node, step: &Step) -> Result<bool> {
    let list = step.numbers[3];
    let mut items = node.facts.get(list);
    let mut has_acted = false;
    while list == 0 || !items.is_empty() {
        has_acted |= node.perform(step, cut(&mut items, b'\n'))?;
        if list == 0 {
            break;
        }
    }
    Ok(has_acted)
}

fn fail(node: &mut Node, reader: Reader, fault: Fault) {
    node.say_fault(b"this instance does not become a node: ", fault);
    let reason = node
        .text
        .clear()
        .push(fault.words().as_bytes())
        .push(node.detail.get())
        .get();
    node.facts.set(fact::REASON, reason);
    node.facts.set(fact::OUTCOME, b"failed");
    let _unwritten = node
        .journal
        .note(b" failed: ", node.facts.get(fact::REASON));
    // The group first: it is what puts another instance in the place of this one.
    if let Err(fault) = node.complete(b"ABANDON") {
        node.say_fault(b"Auto Scaling is not told: ", fault);
    }
    if let Err(fault) = steps(node, reader, flag::FAILED) {
        node.say_fault(b"after that: ", fault);
    }
}

fn mark_ready() {
    let made = sys::make_directory(b"/run/vmimage\0", 0o700)
        .and_then(|()| sys::open(READY_FILE, sys::CREATE, 0o600));
    if let Ok(file) = made {
        sys::close(file);
    }
}

/// Reads what the engine's own file holds.
pub fn own_file() -> Option<&'static [u8]> {
    let file = sys::open(b"/proc/self/exe\0", sys::READ, 0).ok()?;
    let length = sys::seek(file, 0, true).ok()?;
    sys::seek(file, 0, false).ok()?;
    let bytes = sys::memory(length);
    let read = sys::read_all(file, bytes).ok()?;
    sys::close(file);
    bytes.get(..read)
}
