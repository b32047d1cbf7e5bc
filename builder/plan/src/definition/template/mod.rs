//! Owns the templates of boot halves: text in which `{{fact}}` stands for what a node knows.

mod parse;

pub(super) use parse::{Mention, Setting, Usage, is_fact_name, parse_condition, parse_template};

use firstboot::program::quote;
use serde::Serialize;

/// A template: what is written as it is, and what a node puts in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// Stands as it is.
    Text(String),
    /// `{{fact}}`.
    Fact {
        /// The fact's name.
        name: String,
        /// How its value is written.
        quote: Quote,
    },
    /// `{{.field}}` of the current item.
    Field {
        /// The field's name.
        name: &'static str,
        /// How its value is written.
        quote: Quote,
    },
    /// `{{#each list}}`.
    Each {
        /// The list's name.
        list: String,
        /// What stands there for each item.
        body: Template,
    },
    /// `{{#if fact}}`.
    If {
        /// When.
        condition: Condition,
        /// What stands there then.
        body: Template,
    },
}

/// A fact that must hold, or must not: it holds when it is neither unset nor empty nor `no`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Condition {
    /// The fact's name.
    pub fact: String,
    /// Whether it must not hold.
    pub negated: bool,
}

/// How a value is written where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quote {
    /// As it is.
    Plain,
    /// An SQL string literal.
    Sql,
    /// One word for a shell.
    Shell,
    /// A JSON string.
    Json,
    /// Decimal digits.
    Number,
    /// The first forty characters, of base64's alphabet.
    Pem40,
    /// Whatever it is; for the input of a command alone.
    Raw,
    /// A value in an option file of MariaDB's programs.
    OptionFile,
    /// A value in an `EnvironmentFile=` of systemd.
    Environment,
}

impl Quote {
    /// Every way.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::Sql,
        Self::Shell,
        Self::Json,
        Self::Number,
        Self::Pem40,
        Self::Raw,
        Self::OptionFile,
        Self::Environment,
    ];

    /// As it stands after `|`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sql => "sql",
            Self::Shell => "shell",
            Self::Json => "json",
            Self::Number => "number",
            Self::Pem40 => "pem40",
            Self::Raw => "raw",
            Self::OptionFile => "option-file",
            Self::Environment => "environment",
        }
    }

    /// Its number in role programs.
    pub const fn number(self) -> u8 {
        match self {
            Self::Plain => quote::PLAIN,
            // What one reads back as it was, the other does as well; they differ in what they refuse.
            Self::Sql | Self::OptionFile => quote::SQL,
            Self::Shell | Self::Environment => quote::SHELL,
            Self::Json => quote::JSON,
            Self::Number => quote::NUMBER,
            Self::Pem40 => quote::PEM40,
            Self::Raw => quote::RAW,
        }
    }
}

impl Template {
    /// A template of nothing but `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// The text of a template that holds nothing but text.
    pub fn literal(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// A template of this program's own, in which a field needs no list.
pub(crate) fn internal_template(text: &str) -> Template {
    let setting = Setting {
        quote: Quote::Plain,
        in_each: true,
    };
    let parsed = parse_template(text, setting);
    debug_assert_eq!(parsed.mistakes, [], "{text}");
    parsed.template
}
