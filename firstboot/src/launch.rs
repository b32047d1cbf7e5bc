//! Owns a launch as a whole: who am I, what am I to do, do it, tell. The path by which a failure is
//! told is ready before anything can fail.

use crate::bytes::{Fault, Hash, Result, cut, parse_number};
use crate::clock::{Tries, now_ms};
use crate::console;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::A;
use crate::program::{flag, op};
use crate::reader::{self, Header, Reader, Step};
use crate::sys;

/// Exit status: the node is what it should be.
pub const READY: u8 = 0;
/// Exit status: a step failed, one that is damaged too; Auto Scaling was told.
pub const FAILED: u8 = 1;
/// Exit status: it is not known who this is, so nobody could be told.
pub const UNKNOWN: u8 = 3;
/// Exit status: the node is ready, but Auto Scaling could not be told.
pub const UNTOLD: u8 = 4;

/// Says that a launch has succeeded since the last boot.
const READY_FILE: &[u8] = b"/run/vmimage-ready\0";

/// What is asked of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Become a node.
    Launch,
    /// Write the node's report.
    Report,
}

/// Does what is asked with a program; gives the exit status.
pub fn run(program: Reader, task: Task) -> u8 {
    let mut node = Node::default();
    let mut hash = Hash::new();
    hash.add(program);
    node.facts
        .set(fact::PROGRAM, node.text.clear().hex(hash.0).get());
    let mut reader = program;
    let header = reader::header(&mut reader);
    (node.hook, node.endpoint) = (header[1], header[5]);
    if let Err(fault) = node.identify(header) {
        node.say_fault(b"this instance does not become a node: ", fault);
        return UNKNOWN;
    }
    node.facts.set(fact::OUTCOME, b"ready");
    if task == Task::Launch {
        return launch(&mut node, program, header);
    }
    let done = node
        .read_tags(header)
        .and_then(|()| steps(&mut node, program, flag::REPORT));
    if let Err(fault) = done {
        node.say_fault(b"there is no report: ", fault);
        return FAILED;
    }
    READY
}

fn launch(node: &mut Node, program: Reader, header: Header) -> u8 {
    let begun = now_ms();
    let done = prepare(node, header)
        .and_then(|()| steps(node, program, 0))
        .and_then(|()| steps(node, program, flag::REPORT));
    if let Err(fault) = done {
        fail(node, program, fault);
        return FAILED;
    }
    if let Err(fault) = node.complete(b"CONTINUE") {
        node.say_fault(b"the node is ready, but Auto Scaling is not told: ", fault);
        return UNTOLD;
    }
    // The report's timer waits for it.
    if let Ok(file) = sys::open(READY_FILE, sys::CREATE, 0o600) {
        sys::close(file);
    }
    node.facts
        .set(A, node.text.clear().number(now_ms() - begun).get());
    node.say(phrase!(
        "{instance} is a node of {cluster}: {role}, ready after {a} ms"
    ));
    READY
}

fn prepare(node: &mut Node, header: Header) -> Result<()> {
    node.read_tags(header)?;
    // The carrier is in /var/lib/vmimage. What is wrong with it shows when the journal is opened.
    node.expand(phrase!("/var/lib/vmimage/{instance}\0"))?;
    let _made = sys::make_directory(node.text.get(), 0o700);
    node.expand(phrase!("/var/lib/vmimage/{instance}/journal\0"))?;
    node.journal.open(node.text.get())?;
    node.journal
        .note(b"launch with program", node.facts.get(fact::PROGRAM))?;
    if !node.target_state()?.is_empty() {
        node.begin_heartbeat();
    }
    Ok(())
}

/// Does the steps of a task: those that have just this one of the flags for tasks.
fn steps(node: &mut Node, program: Reader, task: u8) -> Result<()> {
    let mut reader = program;
    let count = parse_number(reader::header(&mut reader)[6]).unwrap_or(0);
    // The step that repeats others, and how long it may.
    let mut repeat = (0, Tries::for_secs(0));
    let mut number = 0;
    while number < count {
        number += 1;
        node.step = Step::read(&mut reader);
        let step = &node.step;
        let [_, when, mut title, conditions, back, about, ..] = step.fields;
        if step.numbers[1] & (flag::REPORT | flag::FAILED) != task || !node.facts.all_hold(when) {
            continue;
        }
        if step.numbers[0] == op::REPEAT {
            if node.facts.all_hold(conditions) {
                continue;
            }
            if repeat.0 != number {
                repeat = (number, Tries::for_secs(step.deadline_secs()));
            }
            if !repeat.1.again() {
                return node.fault(Fault::NotInTime, about);
            }
            number = number.saturating_sub(1 + parse_number(back).unwrap_or(1));
            reader = program;
            reader::header(&mut reader);
            for _ in 0..number {
                Step::read(&mut reader);
            }
            continue;
        }
        let begun = now_ms();
        node.detail.clear();
        let done = perform(node).and_then(|has_acted| node.facts.whole().map(|()| has_acted));
        // What has no title is a part of the next step that has one.
        let mut ahead = reader;
        while done.is_err() && title.is_empty() && !ahead.is_empty() {
            title = Step::read(&mut ahead).fields[2];
            node.step.fields[2] = title;
        }
        // The report is refreshed every minute: it speaks when something is wrong.
        if done.is_err() || task == 0 && !matches!(title, [] | [b' ', ..]) {
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

/// Does the step for every item of its list, or once; says whether it did anything.
fn perform(node: &mut Node) -> Result<bool> {
    let list = node.step.numbers[3];
    let mut items = node.facts.get(list);
    let mut has_acted = false;
    while list == 0 || !items.is_empty() {
        node.item = cut(&mut items, b'\n');
        has_acted |= node.perform()?;
        if list == 0 {
            break;
        }
    }
    Ok(has_acted)
}

fn fail(node: &mut Node, program: Reader, fault: Fault) {
    let title = node.step.fields[2].trim_ascii_start();
    node.text
        .clear()
        .push(title)
        .push(if title.is_empty() { b"" } else { b": " });
    node.text.push(fault.words()).push(node.detail.get());
    node.facts.set(fact::REASON, node.text.get());
    node.say(phrase!("{instance} does not become a node: {reason}"));
    node.facts.set(fact::OUTCOME, b"failed");
    let _unwritten = node.journal.note(b"failed:", node.facts.get(fact::REASON));
    // The report first: the instance ends as soon as the group knows. Its steps have times of their own,
    // and whatever becomes of them the group is told.
    if let Err(fault) = steps(node, program, flag::FAILED) {
        node.say_fault(b"there is no report: ", fault);
    }
    if let Err(fault) = node.complete(b"ABANDON") {
        node.say_fault(b"Auto Scaling is not told: ", fault);
    }
}
