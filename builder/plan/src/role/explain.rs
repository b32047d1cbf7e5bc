//! Owns how a role program reads: its steps in words, with facts by name or with the values that they
//! have on an instance that is described. A fact that holds a secret is never filled in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use firstboot::program::{CLAIM_FACTS, FACTS, FIELDS, NOT, flag, mark, op, quote};

use super::{RoleProgram, Step};

/// Facts by name, as they are on the instance that is described.
pub type Described = BTreeMap<String, String>;

/// The steps of `compiled`, one paragraph each.
pub fn explain(compiled: &RoleProgram, described: &Described) -> String {
    let reader = Reader {
        compiled,
        described,
    };
    let steps = &compiled.program.steps;
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        // What has no title is a part of the next step that has one.
        let titled = steps[index..].iter().find(|step| !step.title.is_empty());
        let title = titled.map_or(&b""[..], |step| &step.title);
        reader.step(index + 1, step, title, &mut text);
    }
    text
}

struct Reader<'a> {
    compiled: &'a RoleProgram,
    described: &'a Described,
}

impl Reader<'_> {
    fn step(&self, number: usize, step: &Step, title: &[u8], text: &mut String) {
        let title = String::from_utf8_lossy(title);
        let stage = if step.flags & flag::REPORT != 0 {
            " (report)"
        } else if step.flags & flag::FAILED != 0 {
            " (after a failure)"
        } else {
            ""
        };
        let _ = write!(text, "{number:>3} {}{stage}", title.trim_start());
        for condition in &step.when {
            let not = if condition & NOT == 0 { "" } else { "not " };
            let _ = write!(text, ", if {not}{}", self.name(condition & !NOT));
        }
        if step.each != 0 {
            let _ = write!(text, ", for each of {}", self.name(step.each));
        }
        text.push('\n');
        let field = |index: usize| self.template(&step.fields[index]);
        let list = |index: usize| {
            let items = step.fields[index].split(|byte| *byte == mark::ITEM);
            let items = items.filter(|item| !item.is_empty());
            items.map(|item| self.template(item)).collect::<Vec<_>>()
        };
        let lines = match step.op {
            op::WRITE => format!("write {}\n{}", field(0), field(1)),
            op::RUN => format!("run {}\n{}", list(0).join(" "), field(1)),
            op::REQUEST => format!(
                "ask {} in {}: /{}\n{}",
                field(0),
                field(1),
                field(2),
                field(3)
            ),
            op::SET if step.flags & flag::COMPARE != 0 => {
                format!("compare {} with {}", field(0), field(1))
            }
            op::SET => format!("set {}", field(0)),
            op::REPEAT => format!("go back {} steps until it holds: {}", field(1), field(2)),
            op::FAIL => format!("fail: {}", field(0)),
            _ => String::new(),
        };
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "      {line}");
        }
        if step.sets != 0 {
            let _ = writeln!(text, "      sets {}", self.name(step.sets));
        }
    }

    /// A fact's name.
    fn name(&self, number: u8) -> String {
        let built_in = usize::from(number)
            .checked_sub(1)
            .and_then(|index| FACTS.get(index));
        let own = self.compiled.facts.get(&number).map(String::as_str);
        let name = own.or(built_in.copied());
        name.map_or_else(|| format!("fact {number}"), str::to_owned)
    }

    fn value(&self, number: u8) -> String {
        let name = self.name(number);
        let is_secret = name.starts_with("secret.");
        match self.described.get(&name).filter(|_| !is_secret) {
            Some(value) => value.clone(),
            None => format!("{{{{{name}}}}}"),
        }
    }

    /// A text with its marks in words.
    fn template(&self, bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut blocks = Vec::new();
        let mut rest = bytes.iter().copied();
        let mut plain = Vec::new();
        while let Some(byte) = rest.next() {
            if !(mark::FACT..=mark::END).contains(&byte) && byte != mark::ITEM {
                plain.push(byte);
                continue;
            }
            text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut plain)));
            let mut next = || rest.next().unwrap_or_default();
            match byte {
                mark::FACT => {
                    let value = self.value(next());
                    text.push_str(&quoted(&value, next()));
                }
                mark::FIELD => {
                    let index = usize::from(next()).saturating_sub(1);
                    next();
                    let _ = write!(text, "{{{{.{}}}}}", FIELDS.get(index).unwrap_or(&"?"));
                }
                mark::EACH => {
                    let _ = write!(text, "{{{{#each {}}}}}", self.name(next()));
                    blocks.push("{{/each}}");
                }
                mark::IF => {
                    let condition = next();
                    let not = if condition & NOT == 0 { "" } else { "!" };
                    let _ = write!(text, "{{{{#if {not}{}}}}}", self.name(condition & !NOT));
                    blocks.push("{{/if}}");
                }
                mark::END => text.push_str(blocks.pop().unwrap_or_default()),
                _ => text.push(' '),
            }
        }
        text.push_str(&String::from_utf8_lossy(&plain));
        text
    }
}

/// As the engine would quote it; what is not filled in stays as it is.
fn quoted(value: &str, how: u8) -> String {
    if value.starts_with("{{") {
        return value.to_owned();
    }
    match how {
        quote::SQL => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''")),
        quote::SHELL => format!("'{}'", value.replace('\'', "'\\''")),
        quote::JSON => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        _ => value.to_owned(),
    }
}

/// Names that may be described: those that every node has, and those that a program's steps set.
pub fn fact_names(compiled: &RoleProgram) -> impl Iterator<Item = String> {
    let claims = compiled.facts.values().flat_map(|name| {
        let of = CLAIM_FACTS.iter().map(move |fact| format!("{name}.{fact}"));
        std::iter::once(name.clone()).chain(of)
    });
    FACTS.iter().map(|name| (*name).to_owned()).chain(claims)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use firstboot::program::{flag, op};

    use super::{Described, explain};
    use crate::role::{Program, RoleProgram, Step};

    fn compiled() -> RoleProgram {
        let step = |op, flags, title: &str, fields: &[&[u8]]| {
            let mut step = Step {
                op,
                flags,
                title: title.into(),
                ..Step::default()
            };
            for (place, field) in step.fields.iter_mut().zip(fields) {
                *place = field.to_vec();
            }
            step
        };
        let mut run = step(
            op::RUN,
            0,
            " command",
            &[
                b"cat\x7f\x01\x09\x01\x7f",
                b"\x01\x20\x02;\x02\x21\x04\x02\x01,\x05",
            ],
        );
        run.when = vec![0x22, 0xa2];
        run.sets = 0x23;
        let program = Program {
            steps: vec![
                step(
                    op::WRITE,
                    flag::REPORT,
                    "file",
                    &[b"/etc/x", b"a=\x01\x04\x03\n\x03\xa1no\x05", b"420"],
                ),
                run,
            ],
            ..Program::default()
        };
        let names = [
            (0x20, "secret.password"),
            (0x21, "peers"),
            (0x22, "mine"),
            (0x23, "said"),
        ];
        RoleProgram {
            program,
            facts: names.map(|(number, name)| (number, name.to_owned())).into(),
        }
    }

    #[test]
    fn steps_read_as_what_they_do_and_secrets_stay_secret() {
        let described: Described = BTreeMap::from(
            [
                ("region", "eu-west-1"),
                ("cluster", "it's"),
                ("secret.password", "shown?"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(
            explain(&compiled(), &described),
            "  1 file (report)\n      write /etc/x\n      a='eu-west-1'\n      {{#if !peers}}no{{/if}}\n  \
             2 command, if mine, if not mine\n      run cat it's \n      \
             {{secret.password}};{{#each peers}}{{.address}},{{/each}}\n      sets said\n"
                .replace("run cat it's \n", "run cat it's\n")
        );
    }
}
