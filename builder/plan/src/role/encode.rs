//! Owns the bytes of role programs.

use super::{Action, Program, ProgramError, Step, Text};

/// The bytes of a program.
pub fn encode(program: &Program) -> Result<Vec<u8>, ProgramError> {
    let mut out = Encoder::default();
    out.texts([
        &program.role,
        &program.hook,
        &program.group,
        &program.primary,
    ])?;
    out.list(&program.regions)?;
    let count = u16::try_from(program.steps.len());
    let count = count.map_err(|_too_many| ProgramError::TooManySteps)?;
    out.bytes.extend(count.to_le_bytes());
    for step in &program.steps {
        out.step(step)?;
    }
    Ok(out.bytes)
}

#[derive(Debug, Default)]
struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    fn text(&mut self, text: &Text) -> Result<(), ProgramError> {
        if text.0.contains(&0) {
            return Err(ProgramError::Nul);
        }
        self.bytes.extend(&text.0);
        self.bytes.push(0);
        Ok(())
    }

    fn texts<const N: usize>(&mut self, texts: [&Text; N]) -> Result<(), ProgramError> {
        texts.into_iter().try_for_each(|text| self.text(text))
    }

    fn count(&mut self, count: usize) -> Result<(), ProgramError> {
        let count = u8::try_from(count).map_err(|_too_many| ProgramError::ListTooLong { count })?;
        self.bytes.push(count);
        Ok(())
    }

    fn list(&mut self, list: &[Text]) -> Result<(), ProgramError> {
        self.count(list.len())?;
        list.iter().try_for_each(|text| self.text(text))
    }

    fn conditions(&mut self, conditions: &[u8]) -> Result<(), ProgramError> {
        self.count(conditions.len())?;
        self.bytes.extend(conditions);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), ProgramError> {
        let head = [step.action.op(), step.flags, step.sets, step.each];
        self.bytes.extend(head);
        self.bytes.extend(step.deadline_secs.to_le_bytes());
        self.conditions(&step.when)?;
        self.text(&step.title)?;
        self.action(&step.action)
    }

    fn action(&mut self, action: &Action) -> Result<(), ProgramError> {
        match action {
            Action::Write {
                mode,
                owner,
                path,
                content,
            } => {
                self.bytes.extend(mode.to_le_bytes());
                self.texts([owner, path, content])
            }
            Action::Run {
                argv,
                stdin,
                unless,
            } => {
                self.list(argv)?;
                self.text(stdin)?;
                self.list(unless)
            }
            Action::Wait {
                argv,
                stdin,
                expect,
            } => {
                self.list(argv)?;
                self.texts([stdin, expect])
            }
            Action::Claim {
                key,
                token,
                may_claim,
            } => {
                self.texts([key, token])?;
                self.conditions(may_claim)
            }
            Action::Secrets { names: list } | Action::Start { units: list } => self.list(list),
            Action::Peers {
                scope,
                role,
                at_least,
            } => {
                self.bytes.push(*scope);
                self.texts([role, at_least])
            }
            Action::Volume { mount, filesystem } => self.texts([mount, filesystem]),
            Action::Report { members } => self.text(members),
            Action::Set {
                compare,
                text,
                equals,
            } => {
                self.bytes.push(u8::from(*compare));
                self.texts([text, equals])
            }
        }
    }
}
