//! Protocol Buffers' text format, as far as configuration files use it: fields, messages in `{}` or `<>`, lists, strings, numbers, names
//! and comments. Written after the format's specification (<https://protobuf.dev/reference/protobuf/textformat-spec/>); extensions and
//! `Any` messages, which are named in brackets, are refused.
//!
//! In: text. Out: the JSON value that says the same: a message is an object, a name is text, `true` and `false` are what they say, and a
//! field that is given more than once, or as a list, is a list. What is right for which field, its reader knows.

mod scan;

use serde_json::{Map, Number, Value};

use scan::{Scanner, Token};

/// Bytes of a text at most.
const MOST_BYTES: usize = 256 << 10;
/// Messages in one another at most.
const MOST_DEPTH: usize = 32;

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct TextFormatError {
    /// From 1 on.
    pub line: usize,
    /// From 1 on, in characters.
    pub column: usize,
    /// What was expected, and what is there.
    pub problem: String,
}

/// Reads a message.
///
/// # Errors
/// The first place that does not follow the format.
pub fn parse(text: &str) -> Result<Value, TextFormatError> {
    if text.len() > MOST_BYTES {
        let problem = format!("the text has {} bytes, at most {MOST_BYTES} are read", text.len());
        return Err(TextFormatError { line: 1, column: 1, problem });
    }
    let mut parser = Parser { scanner: Scanner::new(text), depth: 0 };
    let message = parser.fields(None)?;
    Ok(Value::Object(message))
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

type Parsed<T> = Result<T, TextFormatError>;

impl Parser<'_> {
    /// The fields up to the mark `end`, or to the end of the text.
    fn fields(&mut self, end: Option<char>) -> Parsed<Map<String, Value>> {
        let mut fields = Map::new();
        loop {
            match self.scanner.next()? {
                Token::Mark(mark) if Some(mark) == end => return Ok(fields),
                Token::End if end.is_none() => return Ok(fields),
                Token::Name(name) => {
                    let name = name.to_owned();
                    let value = self.field(&name)?;
                    add(&mut fields, name, value);
                    let separator = matches!(self.scanner.peek()?, Token::Mark(',' | ';'));
                    if separator {
                        self.scanner.next()?;
                    }
                }
                other => return Err(self.unexpected("the name of a field", &other)),
            }
        }
    }

    /// What stands behind a field's name.
    fn field(&mut self, name: &str) -> Parsed<Value> {
        match self.scanner.next()? {
            Token::Mark(':') => match self.scanner.next()? {
                Token::Mark('[') => self.list(),
                first => self.value(first),
            },
            Token::Mark(open @ ('{' | '<')) => self.message(open),
            Token::Mark('[') => self.messages(),
            other => Err(self.unexpected(&format!("':' or a message behind '{name}'"), &other)),
        }
    }

    /// A list without a colon before it, which only messages may be in.
    fn messages(&mut self) -> Parsed<Value> {
        let list = self.list()?;
        let values = list.as_array().is_some_and(|items| !items.iter().all(Value::is_object));
        if values { Err(self.scanner.error("a list of values has a ':' before it")) } else { Ok(list) }
    }

    fn list(&mut self) -> Parsed<Value> {
        let mut items = Vec::new();
        if matches!(self.scanner.peek()?, Token::Mark(']')) {
            self.scanner.next()?;
            return Ok(Value::Array(items));
        }
        loop {
            let first = self.scanner.next()?;
            items.push(self.value(first)?);
            match self.scanner.next()? {
                Token::Mark(',') => {}
                Token::Mark(']') => return Ok(Value::Array(items)),
                other => return Err(self.unexpected("',' or ']'", &other)),
            }
        }
    }

    fn value(&mut self, first: Token<'_>) -> Parsed<Value> {
        match first {
            Token::Mark(open @ ('{' | '<')) => self.message(open),
            Token::Mark('-') => self.negative(),
            Token::Name("true" | "True" | "t") => Ok(Value::Bool(true)),
            Token::Name("false" | "False" | "f") => Ok(Value::Bool(false)),
            Token::Name(name) => Ok(Value::String(name.to_owned())),
            Token::Whole(number) => Ok(Value::from(number)),
            Token::Float(number) => self.number(number),
            Token::Text(mut text) => {
                // Texts that stand side by side are one.
                while let Token::Text(_) = self.scanner.peek()? {
                    if let Token::Text(more) = self.scanner.next()? {
                        text.push_str(&more);
                    }
                }
                Ok(Value::String(text))
            }
            other => Err(self.unexpected("a value", &other)),
        }
    }

    fn negative(&mut self) -> Parsed<Value> {
        match self.scanner.next()? {
            Token::Whole(number) => match 0i64.checked_sub_unsigned(number) {
                Some(number) => Ok(Value::from(number)),
                None => Err(self.scanner.error(format!("-{number} is below what 64 bits hold"))),
            },
            Token::Float(number) => self.number(-number),
            other => Err(self.unexpected("a number behind '-'", &other)),
        }
    }

    fn number(&self, number: f64) -> Parsed<Value> {
        let finite = || self.scanner.error(format!("{number} is no number that a configuration can hold"));
        Number::from_f64(number).map(Value::Number).ok_or_else(finite)
    }

    fn message(&mut self, open: char) -> Parsed<Value> {
        if self.depth == MOST_DEPTH {
            return Err(self.scanner.error(format!("messages are nested more than {MOST_DEPTH} deep")));
        }
        self.depth += 1;
        let fields = self.fields(Some(if open == '{' { '}' } else { '>' }))?;
        self.depth -= 1;
        Ok(Value::Object(fields))
    }

    fn unexpected(&self, expected: &str, found: &Token<'_>) -> TextFormatError {
        self.scanner.error(format!("expected {expected}, found {found}"))
    }
}

/// Adds a value of a field; several of them make a list.
fn add(fields: &mut Map<String, Value>, name: String, value: Value) {
    let Some(known) = fields.get_mut(&name) else {
        fields.insert(name, value);
        return;
    };
    if !known.is_array() {
        *known = Value::Array(vec![known.take()]);
    }
    if let Value::Array(known) = known {
        match value {
            Value::Array(more) => known.extend(more),
            one => known.push(one),
        }
    }
}

#[cfg(test)]
mod tests;
