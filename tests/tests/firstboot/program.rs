//! Role programs, written as the compiler would.

use firstboot::program::mark::ITEM;

/// A role program, written as the compiler would.
pub(crate) struct Program {
    role: &'static str,
    steps: Vec<Vec<u8>>,
}

/// What is common to steps.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    pub(crate) flags: u8,
    pub(crate) out: u8,
    pub(crate) each: u8,
    pub(crate) secs: u16,
    pub(crate) when: &'a [u8],
}

impl Program {
    pub(crate) fn new(role: &'static str) -> Self {
        Self {
            role,
            steps: Vec::new(),
        }
    }

    pub(crate) fn step(mut self, op: u8, how: How<'_>, title: &str, fields: &[&[u8]]) -> Self {
        let mut step = vec![op, how.flags, how.out, how.each];
        step.extend(how.secs.to_string().bytes());
        step.push(0);
        for field in [how.when, title.as_bytes()]
            .iter()
            .chain(fields)
            .chain(&[&b""[..]; 5])
            .take(7)
        {
            step.extend_from_slice(field);
            step.push(0);
        }
        self.steps.push(step);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let count = self.steps.len();
        let header = format!(
            "{}\0vmimage-launch\0hosting-{0}-2\0us-east-1\0us-east-1\neu-west-1\0http://127.0.0.1:8080\0{count}\0",
            self.role
        );
        [header.into_bytes(), self.steps.concat()].concat()
    }
}

/// Arguments of a command.
pub(crate) fn argv(arguments: &[&str]) -> Vec<u8> {
    let ended = arguments
        .iter()
        .map(|one| [one.as_bytes(), &[ITEM]].concat());
    ended.collect::<Vec<_>>().concat()
}
