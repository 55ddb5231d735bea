//! Text to template: one pass over the characters, one character ahead.

use super::{Filter, Operand, Operator, Part, Path, Start, Step};
use serde_json::Value;

type Result<T> = std::result::Result<T, String>;

pub fn template(text: &str) -> Result<Vec<Part>> {
    let mut reader = Reader { text, at: 0 };
    let parts = parts(&mut reader, false)?;
    Ok(parts)
}

pub fn relaxed(text: &str) -> Result<Path> {
    let inner = match (text.strip_prefix('{'), text.ends_with('}')) {
        (Some(rest), true) => &rest[..rest.len() - 1],
        (None, false) => text,
        _ => return Err(format!("{text:?}: braces do not match")),
    };
    let dotted = if inner.starts_with(['.', '$', '@', '[']) { inner.to_owned() } else { format!(".{inner}") };
    let mut reader = Reader { text: &dotted, at: 0 };
    let path = path(&mut reader)?;
    match reader.peek() {
        None if dotted.len() > 1 => Ok(path),
        _ => Err(format!("{text:?} is not a path (want one like .metadata.name)")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes `word` if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.wrong(&format!("want {word:?}"))) }
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn wrong(&self, problem: &str) -> String {
        let rest: String = self.text[self.at..].chars().take(12).collect();
        match rest.as_str() {
            "" => format!("jsonpath {:?}: {problem} at its end", self.text),
            rest => format!("jsonpath {:?}: {problem} at {rest:?}", self.text),
        }
    }
}

/// Up to `{end}` if `nested`, else to the end.
fn parts(reader: &mut Reader, nested: bool) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    loop {
        match reader.next() {
            None if nested => return Err(reader.wrong("{range} without {end}")),
            None => break,
            Some('}') => return Err(reader.wrong("a '}' without '{' before what stands")),
            Some('{') => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                reader.blanks();
                if keyword(reader, "end") {
                    close(reader)?;
                    return if nested { Ok(parts) } else { Err(reader.wrong("{end} without {range} before what stands")) };
                }
                if keyword(reader, "range") {
                    reader.blanks();
                    let over = path(reader)?;
                    close(reader)?;
                    parts.push(Part::Range(over, self::parts(reader, true)?));
                    continue;
                }
                match reader.peek() {
                    Some('"' | '\'') => parts.push(Part::Text(quoted(reader)?)),
                    _ => parts.push(Part::Path(path(reader)?)),
                }
                close(reader)?;
            }
            Some(c) => text.push(c),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn keyword(reader: &mut Reader, word: &str) -> bool {
    let rest = &reader.text[reader.at..];
    let found = rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(['}', ' ']));
    found && reader.take(word)
}

fn close(reader: &mut Reader) -> Result<()> {
    reader.blanks();
    reader.expect("}")
}

fn path(reader: &mut Reader) -> Result<Path> {
    let start = match reader.peek() {
        Some('$') => Start::Root,
        _ => Start::Here,
    };
    let marked = reader.take("$") || reader.take("@");
    let mut steps = Vec::new();
    loop {
        match reader.peek() {
            Some('.') => {
                reader.next();
                if reader.take(".") {
                    steps.push(Step::Descend);
                    if reader.peek() == Some('[') {
                        continue;
                    }
                }
                if reader.take("*") {
                    steps.push(Step::All);
                    continue;
                }
                match name(reader)? {
                    // `{.}` and `{..[*]}`: the object itself.
                    name if name.is_empty() && steps.is_empty() && !matches!(reader.peek(), Some('.')) => {}
                    name if name.is_empty() => return Err(reader.wrong("want a field's name")),
                    name => steps.push(Step::Field(name)),
                }
            }
            Some('[') => {
                reader.next();
                steps.push(bracket(reader)?);
            }
            _ if steps.is_empty() && !marked && !reader.text[..reader.at].ends_with('.') => {
                return Err(reader.wrong("want a path like .metadata.name"));
            }
            _ => return Ok(Path { start, steps }),
        }
    }
}

/// A backslash takes its meaning from the character after it.
fn name(reader: &mut Reader) -> Result<String> {
    let mut name = String::new();
    while let Some(c) = reader.peek() {
        match c {
            '\\' => {
                reader.next();
                name.push(reader.next().ok_or_else(|| reader.wrong("want a character behind '\\'"))?);
            }
            '.' | '[' | ']' | '{' | '}' | '(' | ')' | '=' | '!' | '<' | '>' | ',' | '~' => break,
            c if c.is_whitespace() => break,
            c => {
                name.push(c);
                reader.next();
            }
        }
    }
    Ok(name)
}

/// What follows a `[`, with its `]`.
fn bracket(reader: &mut Reader) -> Result<Step> {
    reader.blanks();
    if reader.take("?(") {
        let filter = filter(reader)?;
        reader.expect(")")?;
        reader.blanks();
        reader.expect("]")?;
        return Ok(Step::Filter(Box::new(filter)));
    }
    let mut steps = vec![item(reader)?];
    reader.blanks();
    while reader.take(",") {
        reader.blanks();
        steps.push(item(reader)?);
        reader.blanks();
    }
    reader.expect("]")?;
    Ok(if steps.len() == 1 { steps.remove(0) } else { Step::Union(steps) })
}

fn item(reader: &mut Reader) -> Result<Step> {
    match reader.peek() {
        Some('*') => {
            reader.next();
            Ok(Step::All)
        }
        Some('"' | '\'') => Ok(Step::Field(quoted(reader)?)),
        _ => {
            let first = integer(reader)?;
            if !reader.take(":") {
                return first.map(Step::Index).ok_or_else(|| reader.wrong("want an index, '*', a quoted name or ?(...)"));
            }
            let second = integer(reader)?;
            let by = if reader.take(":") { integer(reader)?.unwrap_or(1) } else { 1 };
            if by < 1 {
                return Err(reader.wrong("a slice's step is at least 1"));
            }
            Ok(Step::Slice(first, second, by))
        }
    }
}

fn integer(reader: &mut Reader) -> Result<Option<i64>> {
    let start = reader.at;
    reader.take("-");
    while reader.peek().is_some_and(|c| c.is_ascii_digit()) {
        reader.next();
    }
    match &reader.text[start..reader.at] {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| reader.wrong("want a number before what stands")),
    }
}

/// With its quotes; `\n`, `\t` and the like mean what they do in Go.
fn quoted(reader: &mut Reader) -> Result<String> {
    let Some(quote) = reader.next() else { return Err(reader.wrong("want a quoted text")) };
    let mut text = String::new();
    loop {
        match reader.next() {
            None => return Err(reader.wrong("a quote is not closed")),
            Some(c) if c == quote => return Ok(text),
            Some('\\') => match reader.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c) => text.push(c),
                None => return Err(reader.wrong("a quote is not closed")),
            },
            Some(c) => text.push(c),
        }
    }
}

fn filter(reader: &mut Reader) -> Result<Filter> {
    reader.blanks();
    let left = operand(reader)?;
    reader.blanks();
    if reader.peek() == Some(')') {
        return Ok(Filter { left, test: None });
    }
    // The longer ones first.
    let operators = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let Some((_, operator)) = operators.into_iter().find(|(word, _)| reader.take(word)) else {
        return Err(reader.wrong("want ==, !=, <, <=, > or >="));
    };
    reader.blanks();
    let right = operand(reader)?;
    reader.blanks();
    Ok(Filter { left, test: Some((operator, right)) })
}

fn operand(reader: &mut Reader) -> Result<Operand> {
    match reader.peek() {
        Some('@' | '$' | '.') => path(reader).map(Operand::Path),
        Some('"' | '\'') => Ok(Operand::Value(Value::String(quoted(reader)?))),
        _ => {
            let start = reader.at;
            while reader.peek().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+')) {
                reader.next();
            }
            serde_json::from_str(&reader.text[start..reader.at])
                .map(Operand::Value)
                .map_err(|_| reader.wrong("want a path, a quoted text, a number, true or false"))
        }
    }
}
