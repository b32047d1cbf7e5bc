//! Owns inspections and differences as text for people.

use std::fmt::Write as _;

use super::Inspection;
use super::difference::{ChangedFile, Difference, ListedPackage, RecipeChange};
use super::table::{change, push_rows, size};
use crate::disk::Partition;
use crate::manifest::{Manifest, PackageEntry, RecipeEntry};

/// Marks what must never be taken for the real thing.
const STAND_IN: &str = "STAND-IN";

/// What is inside an image.
pub fn render_inspection(inspection: &Inspection) -> String {
    let mut text = String::new();
    match &inspection.manifest {
        Some(manifest) => push_manifest(&mut text, manifest),
        None => push_line(
            &mut text,
            "no manifest.json beside this disk: only its partition table is known",
        ),
    }
    if !inspection.partitions.is_empty() {
        push_line(&mut text, "\npartitions");
        let rows: Vec<_> = inspection.partitions.iter().map(partition_row).collect();
        push_rows(&mut text, &rows, &[0, 2]);
    }
    if !inspection.verified.is_empty() {
        let names = inspection.verified.join(", ");
        push_line(&mut text, &format!("\nverified: {names}"));
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn push_manifest(text: &mut String, manifest: &Manifest) {
    let head = [
        ("image", manifest.image.clone()),
        (
            "system",
            format!(
                "Debian {}, {}",
                manifest.suite.as_str(),
                manifest.architecture.as_str()
            ),
        ),
        ("fingerprint", manifest.fingerprint.clone()),
        (
            "kernel",
            manifest
                .disk
                .as_ref()
                .map_or_else(|| "none".to_owned(), |disk| disk.kernel.clone()),
        ),
        ("vmimage", manifest.vmimage.clone()),
    ];
    for (name, value) in head {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<11}  {value}");
    }
    push_stand_in_warning(text, manifest);
    push_line(text, "\nfiles");
    let row = |output: &crate::manifest::OutputEntry| {
        vec![
            output.name.clone(),
            size(output.size),
            output.sha256.clone(),
        ]
    };
    push_rows(
        text,
        &manifest.outputs.iter().map(row).collect::<Vec<_>>(),
        &[1],
    );
    push_line(text, "\nrecipes");
    let rows: Vec<_> = manifest.recipes.iter().map(recipe_row).collect();
    push_rows(text, &rows, &[1, 2]);
    for recipe in &manifest.recipes {
        push_recipe(text, recipe);
    }
    push_line(text, "\nrepositories");
    let row = |repository: &crate::manifest::RepositoryEntry| {
        let label = if repository.stand_in { STAND_IN } else { "" };
        vec![
            repository.archive.clone(),
            repository.suite.clone(),
            format!("signed by {}", repository.signed_by),
            label.to_owned(),
        ]
    };
    push_rows(
        text,
        &manifest.repositories.iter().map(row).collect::<Vec<_>>(),
        &[],
    );
    push_seal(text, manifest);
    let _ = writeln!(text, "\n{} files outside packages", manifest.files.len());
}

fn push_stand_in_warning(text: &mut String, manifest: &Manifest) {
    let names: Vec<&str> = manifest
        .packages()
        .filter(|(_, package)| package.stand_in)
        .map(|(_, package)| package.name.as_str())
        .collect();
    if !names.is_empty() {
        let names = names.join(", ");
        push_line(
            text,
            &format!("\n{STAND_IN} packages, not the vendor's: {names}"),
        );
    }
}

fn recipe_row(recipe: &RecipeEntry) -> Vec<String> {
    vec![
        recipe.name.clone(),
        match recipe.packages.len() {
            1 => "1 package".to_owned(),
            count => format!("{count} packages"),
        },
        size(recipe.installed),
        recipe.description.clone(),
    ]
}

fn push_recipe(text: &mut String, recipe: &RecipeEntry) {
    push_line(text, &format!("\nrecipe {}", recipe.name));
    let row = |package: &PackageEntry| {
        vec![
            package.name.clone(),
            package.version.clone(),
            package.architecture.clone(),
            size(package.installed),
            if package.stand_in { STAND_IN } else { "" }.to_owned(),
        ]
    };
    push_rows(
        text,
        &recipe.packages.iter().map(row).collect::<Vec<_>>(),
        &[3],
    );
    for (state, units) in [
        ("enabled", &recipe.enabled),
        ("disabled", &recipe.disabled),
        ("masked", &recipe.masked),
    ] {
        if !units.is_empty() {
            push_line(text, &format!("  units {state}: {}", units.join(", ")));
        }
    }
}

fn push_seal(text: &mut String, manifest: &Manifest) {
    push_line(text, "\nseal");
    for row in &manifest.seal {
        let _ = writeln!(
            text,
            "  {} {}: {} ({}, {} changed)",
            row.action,
            row.path,
            row.reason,
            row.recipe,
            row.changed.len()
        );
        for path in &row.changed {
            push_line(text, &format!("    {path}"));
        }
    }
}

fn partition_row(partition: &Partition) -> Vec<String> {
    vec![
        partition.number.to_string(),
        partition.name.clone(),
        size(partition.size),
        format!("PARTUUID={}", partition.guid),
    ]
}

/// How two images differ.
pub fn render_difference(difference: &Difference) -> String {
    let mut text = String::new();
    if difference.is_empty() {
        let same = if difference.same_fingerprint {
            "the images are the same"
        } else {
            "the images hold the same, but have different fingerprints"
        };
        push_line(&mut text, same);
        return text;
    }
    push_packages(&mut text, "added", &difference.added);
    push_packages(&mut text, "removed", &difference.removed);
    if !difference.changed.is_empty() {
        push_line(&mut text, "packages changed");
        let row = |changed: &super::ChangedPackage| {
            let (before, after) = (&changed.before, &changed.after);
            let mut row = package_row(after);
            row[1] = format!("{} -> {}", before.version, after.version);
            row[2] = change(before.installed, after.installed);
            row
        };
        push_rows(
            &mut text,
            &difference.changed.iter().map(row).collect::<Vec<_>>(),
            &[2],
        );
    }
    if !difference.files.is_empty() {
        push_line(&mut text, "files changed outside packages");
        let rows: Vec<_> = difference.files.iter().map(file_row).collect();
        push_rows(&mut text, &rows, &[]);
    }
    if !difference.recipes.is_empty() {
        push_line(&mut text, "recipes");
        difference
            .recipes
            .iter()
            .for_each(|recipe| push_recipe_change(&mut text, recipe));
    }
    if !difference.outputs.is_empty() {
        push_line(&mut text, "sizes");
        let row = |output: &super::OutputSize| {
            let (before, after) = (output.size.before, output.size.after);
            vec![
                output.name.clone(),
                format!("{} -> {}", size(before), size(after)),
                change(before, after),
            ]
        };
        push_rows(
            &mut text,
            &difference.outputs.iter().map(row).collect::<Vec<_>>(),
            &[2],
        );
    }
    text
}

fn push_packages(text: &mut String, what: &str, packages: &[ListedPackage]) {
    if !packages.is_empty() {
        push_line(text, &format!("packages {what}"));
        push_rows(
            text,
            &packages.iter().map(package_row).collect::<Vec<_>>(),
            &[2],
        );
    }
}

fn package_row(package: &ListedPackage) -> Vec<String> {
    vec![
        package.name.clone(),
        package.version.clone(),
        size(package.installed),
        format!("recipe {}", package.recipe),
        if package.stand_in { STAND_IN } else { "" }.to_owned(),
    ]
}

fn file_row(file: &ChangedFile) -> Vec<String> {
    let what = match (&file.before, &file.after) {
        (None, _) => "added",
        (Some(_), None) => "removed",
        (Some(before), Some(after))
            if before.sha256 == after.sha256 && before.link == after.link =>
        {
            "mode changed"
        }
        (Some(_), Some(_)) => "changed",
    };
    let either = file.after.as_ref().or(file.before.as_ref());
    let package = either.and_then(|file| file.package.as_deref());
    vec![
        file.path.clone(),
        what.to_owned(),
        package.map_or_else(String::new, |package| format!("of package {package}")),
    ]
}

fn push_recipe_change(text: &mut String, recipe: &RecipeChange) {
    let what = match (recipe.before, recipe.after) {
        (false, _) => "added",
        (true, false) => "removed",
        (true, true) => "changed",
    };
    let (before, after) = (recipe.installed.before, recipe.installed.after);
    let mut line = format!("  {} {what}", recipe.name);
    if before != after {
        line.push_str(", ");
        line.push_str(&change(before, after));
    }
    push_line(text, &line);
    for (sign, units) in [('+', &recipe.units_added), ('-', &recipe.units_removed)] {
        for unit in units {
            push_line(text, &format!("    {sign} {unit}"));
        }
    }
}
