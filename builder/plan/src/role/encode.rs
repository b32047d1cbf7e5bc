//! Owns the bytes of role programs.

use super::{Program, ProgramError, Step};

/// The bytes of a program.
pub fn encode(program: &Program) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    for field in &program.header {
        add_field(field, &mut bytes)?;
    }
    let count = u16::try_from(program.steps.len());
    let count = count.map_err(|_too_many| ProgramError::TooManySteps)?;
    bytes.extend(count.to_le_bytes());
    for step in &program.steps {
        add_step(step, &mut bytes)?;
    }
    Ok(bytes)
}

fn add_step(step: &Step, bytes: &mut Vec<u8>) -> Result<(), ProgramError> {
    bytes.extend([step.op, step.flags, step.sets, step.each]);
    bytes.extend(step.deadline_secs.to_le_bytes());
    add_field(&step.when, bytes)?;
    add_field(&step.title, bytes)?;
    for field in &step.fields {
        add_field(field, bytes)?;
    }
    Ok(())
}

fn add_field(field: &[u8], bytes: &mut Vec<u8>) -> Result<(), ProgramError> {
    let length = u16::try_from(field.len());
    let length = length.map_err(|_too_long| ProgramError::TooLong { bytes: field.len() })?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(field);
    Ok(())
}
