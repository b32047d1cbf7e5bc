//! Owns deb822 paragraphs: fields in their order. Must not know what any field means.

/// The fields of one paragraph, as written. dpkg takes any bytes for values, and so does this; only
/// what a program has to understand must be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, Vec<u8>)>,
}

/// A paragraph of a file that holds several and that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The number of the line that is no field.
    pub line: usize,
    /// The first line of the paragraph, which mostly names its package.
    pub paragraph: String,
}

impl Paragraph {
    /// Reads one paragraph; `Err` is the number of the line that is no field.
    pub fn parse(bytes: &[u8]) -> Result<Self, usize> {
        let mut paragraph = Self::default();
        for (index, line) in lines(bytes).enumerate() {
            paragraph.add_line(line).ok_or(index + 1)?;
        }
        Ok(paragraph)
    }

    /// Reads the paragraphs of a file such as dpkg's status.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut all = Vec::new();
        let mut paragraph = Self::default();
        let mut first: &[u8] = b"";
        for (index, line) in lines(bytes).enumerate() {
            if line.trim_ascii().is_empty() {
                all.push(std::mem::take(&mut paragraph));
                first = b"";
                continue;
            }
            if first.is_empty() {
                first = line;
            }
            paragraph.add_line(line).ok_or_else(|| Malformed {
                line: index + 1,
                paragraph: String::from_utf8_lossy(first).into_owned(),
            })?;
        }
        all.push(paragraph);
        all.retain(|paragraph| !paragraph.fields.is_empty());
        Ok(all)
    }

    /// `None` when the line is no field.
    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            return Some(());
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = self.fields.last_mut()?;
            value.push(b'\n');
            value.extend_from_slice(line);
            return Some(());
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = std::str::from_utf8(name).ok()?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        let value = value.get(1..)?.trim_ascii_start();
        self.fields.push((name.to_owned(), value.to_vec()));
        Some(())
    }

    /// The value of a field without space around it; the name is compared without case. A value that
    /// is not UTF-8 is none that could be understood.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
            .map(str::trim_end)
    }

    /// Every field as written, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The paragraph as a file has it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in self.fields() {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\n"].concat());
        }
        bytes
    }
}

/// Lines without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
