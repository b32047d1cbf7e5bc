//! Owns the text of a lock: stable, and one package a line, so that a change is read in its diff.

use std::fmt::Write as _;

use serde::Serialize;

use super::{AskedRecipe, Lock, LockedRepository, Target};

/// Says where the file comes from.
const HEADER: &str = "# made by `vmimage lock`; do not edit\n";

impl Lock {
    /// The lock as a file; [`Lock::parse`] reads the same lock back.
    pub fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        line(&mut text, "format", &self.format);
        line(&mut text, "image", &self.image);
        line(&mut text, "inputs", &self.inputs);
        line(&mut text, "source-date-epoch", &self.source_date_epoch);
        text.push_str("\n[asked]\n");
        line(&mut text, "suite", &self.asked.suite);
        line(&mut text, "architectures", &self.asked.architectures);
        for recipe in &self.asked.recipes {
            render_recipe(&mut text, recipe);
        }
        for repository in &self.repositories {
            render_repository(&mut text, repository);
        }
        for target in &self.targets {
            render_target(&mut text, target);
        }
        text
    }
}

fn render_recipe(text: &mut String, recipe: &AskedRecipe) {
    text.push_str("\n[[asked.recipe]]\n");
    line(text, "name", &recipe.name);
    list(text, "packages", &recipe.packages);
    list(text, "repositories", &recipe.repositories);
}

fn render_repository(text: &mut String, repository: &LockedRepository) {
    text.push_str("\n[[repository]]\n");
    line(text, "archive", &repository.archive);
    line(text, "suite", &repository.suite);
    line(text, "release-sha256", &repository.release_sha256);
    if let Some(names) = &repository.release_names {
        line(text, "release-names", names);
    }
    line(text, "date", &repository.date);
    if let Some(valid_until) = &repository.valid_until {
        line(text, "valid-until", valid_until);
    }
    line(text, "signed-by", &repository.signed_by);
    if let Some(key) = &repository.accepted_key {
        line(text, "accepted-key", key);
    }
    if repository.stand_in {
        line(text, "stand-in", &true);
    }
}

fn render_target(text: &mut String, target: &Target) {
    text.push_str("\n[[target]]\n");
    line(text, "architecture", &target.architecture);
    list(text, "package", &target.packages);
}

fn line(text: &mut String, key: &str, value: &impl Serialize) {
    writeln!(text, "{key} = {}", inline(value)).expect("a String takes every text");
}

fn list(text: &mut String, key: &str, values: &[impl Serialize]) {
    if values.is_empty() {
        line(text, key, &[(); 0]);
        return;
    }
    writeln!(text, "{key} = [").expect("a String takes every text");
    for value in values {
        writeln!(text, "    {},", inline(value)).expect("a String takes every text");
    }
    text.push_str("]\n");
}

/// `value` as TOML on one line.
fn inline(value: &impl Serialize) -> String {
    let mut text = String::new();
    value
        .serialize(toml::ser::ValueSerializer::new(&mut text))
        .expect("a lock holds texts, numbers and lists only");
    text
}
