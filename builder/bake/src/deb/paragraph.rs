//! Owns deb822 paragraphs: fields in their order. Must not know what any field means.

use std::fmt;

/// The fields of one paragraph, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// Reads one paragraph; `Err` is the number of the line that is no field.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or(index + 1)?;
                value.push('\n');
                value.push_str(line);
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(index + 1)?;
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(index + 1);
            }
            fields.push((name.to_owned(), value.trim_start().to_owned()));
        }
        Ok(Self { fields })
    }

    /// Reads the paragraphs of a file such as dpkg's status, leaving out those that are malformed.
    pub fn parse_all(text: &str) -> impl Iterator<Item = Self> {
        text.split("\n\n")
            .filter_map(|part| Self::parse(part).ok())
            .filter(|paragraph| !paragraph.fields.is_empty())
    }

    /// The value of a field without space around it; the name is compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_end())
    }

    /// Every field as written, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Display for Paragraph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.fields {
            writeln!(formatter, "{name}: {value}")?;
        }
        Ok(())
    }
}
