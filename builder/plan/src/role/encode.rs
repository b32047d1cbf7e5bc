//! Owns the bytes of role programs.

use super::{Program, ProgramError, Step};

/// The bytes of a program.
pub fn encode(program: &Program) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    for field in [
        &program.role,
        &program.hook,
        &program.group,
        &program.primary,
        &program.regions,
        &program.endpoint,
    ] {
        add_field(field, &mut bytes)?;
    }
    add_number(program.steps.len(), &mut bytes)?;
    for step in &program.steps {
        add_step(step, &mut bytes)?;
    }
    Ok(bytes)
}

fn add_step(step: &Step, bytes: &mut Vec<u8>) -> Result<(), ProgramError> {
    bytes.extend([step.op, step.flags, step.sets, step.each]);
    add_number(step.deadline_secs.into(), bytes)?;
    add_field(&step.when, bytes)?;
    add_field(&step.title, bytes)?;
    step.fields
        .iter()
        .try_for_each(|field| add_field(field, bytes))
}

/// A number in decimal; 0 is what nothing says as well.
fn add_number(number: usize, bytes: &mut Vec<u8>) -> Result<(), ProgramError> {
    let text = if number == 0 {
        String::new()
    } else {
        number.to_string()
    };
    add_field(text.as_bytes(), bytes)
}

fn add_field(field: &[u8], bytes: &mut Vec<u8>) -> Result<(), ProgramError> {
    if field.contains(&0) {
        return Err(ProgramError::Nul);
    }
    bytes.extend(field);
    bytes.push(0);
    Ok(())
}
