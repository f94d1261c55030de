//! The words of the text format.

use std::fmt;

use super::TextFormatError;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A letter or `_`, and letters, digits and `_`.
    Name(&'a str),
    Whole(u64),
    Float(f64),
    Text(String),
    /// One of `: { } < > [ ] , ; -`.
    Mark(char),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{}'", brief(name)),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "\"{}\"", brief(text)),
            Self::Mark(mark) => write!(f, "'{mark}'"),
            Self::End => f.write_str("the end of the text"),
        }
    }
}

fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Reads a text word by word.
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// Byte behind the last word.
    at: usize,
    /// Byte at which the last word began.
    began: usize,
    ahead: Option<(Token<'a>, usize, usize)>,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, began: 0, ahead: None }
    }

    /// An error at the last word.
    pub(super) fn error(&self, problem: impl Into<String>) -> TextFormatError {
        let before = &self.text[..self.began];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        TextFormatError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: problem.into(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<&Token<'a>, TextFormatError> {
        if self.ahead.is_none() {
            let (at, began) = (self.at, self.began);
            let token = self.read()?;
            let word = (token, self.at, self.began);
            (self.at, self.began) = (at, began);
            self.ahead = Some(word);
        }
        Ok(self.ahead.as_ref().map_or(&Token::End, |(token, ..)| token))
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, TextFormatError> {
        match self.ahead.take() {
            Some((token, at, began)) => {
                (self.at, self.began) = (at, began);
                Ok(token)
            }
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Token<'a>, TextFormatError> {
        self.skip_blanks();
        self.began = self.at;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        match first {
            ':' | '{' | '}' | '<' | '>' | '[' | ']' | ',' | ';' | '-' => {
                self.at += 1;
                Ok(Token::Mark(first))
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.at += length;
                Ok(Token::Name(&rest[..length]))
            }
            '0'..='9' | '.' => self.number(rest),
            '"' | '\'' => self.string(first),
            other => Err(self.error(format!("'{}' does not begin anything", other.escape_default()))),
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\x0b', '\x0c']).len();
            self.at += blanks;
            if !self.text[self.at..].starts_with('#') {
                return;
            }
            let comment = &self.text[self.at..];
            self.at += comment.find('\n').unwrap_or(comment.len());
        }
    }

    fn number(&mut self, rest: &'a str) -> Result<Token<'a>, TextFormatError> {
        let mut last = ' ';
        let length = rest.find(|c: char| {
            let goes_on =
                c.is_ascii_alphanumeric() || c == '.' || (matches!(c, '+' | '-') && matches!(last, 'e' | 'E'));
            last = c;
            !goes_on
        });
        let word = &rest[..length.unwrap_or(rest.len())];
        self.at += word.len();
        let token = whole(word).map(Token::Whole).or_else(|| float(word).map(Token::Float));
        token.ok_or_else(|| self.error(format!("'{}' is no number", brief(word))))
    }

    fn string(&mut self, quote: char) -> Result<Token<'a>, TextFormatError> {
        let mut bytes = Vec::new();
        let mut rest = self.text[self.at + 1..].chars();
        loop {
            match rest.next() {
                Some(end) if end == quote => break,
                Some('\n') | None => return Err(self.error("the text that begins here does not end on its line")),
                Some('\\') => self.escape(&mut rest, &mut bytes)?,
                Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.at = self.text.len() - rest.as_str().len();
        let text = String::from_utf8(bytes).map_err(|_| self.error("the escapes of this text are not UTF-8"))?;
        Ok(Token::Text(text))
    }

    fn escape(&self, rest: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Result<(), TextFormatError> {
        let unknown = || self.error("this text has an escape that is none of the format's");
        let simple = match rest.next().ok_or_else(unknown)? {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            same @ ('\\' | '\'' | '"' | '?') => same as u8,
            'x' | 'X' => digits(rest, 16, 2).and_then(|code| u8::try_from(code).ok()).ok_or_else(unknown)?,
            kind @ ('u' | 'U') => {
                let (before, length) = (rest.as_str().len(), if kind == 'u' { 4 } else { 8 });
                let code = digits(rest, 16, length).filter(|_| before - rest.as_str().len() == length);
                let character = code.and_then(char::from_u32).ok_or_else(unknown)?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            first @ '0'..='7' => {
                let first = first as u32 - '0' as u32;
                let before = rest.as_str().len();
                let more = digits(rest, 8, 2).unwrap_or(0);
                let places = u32::try_from(before - rest.as_str().len()).unwrap_or(0);
                u8::try_from(first * 8u32.pow(places) + more).map_err(|_| unknown())?
            }
            _ => return Err(unknown()),
        };
        bytes.push(simple);
        Ok(())
    }
}

/// Up to `most` digits as a number; `None` where there is none.
fn digits(rest: &mut std::str::Chars<'_>, radix: u32, most: usize) -> Option<u32> {
    let mut number = None;
    for _ in 0..most {
        let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(radix)) else { break };
        rest.next();
        number = Some(number.unwrap_or(0) * radix + digit);
    }
    number
}

fn whole(word: &str) -> Option<u64> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match word.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => word.parse().ok(),
    }
}

fn float(word: &str) -> Option<f64> {
    let word = word.strip_suffix(['f', 'F']).unwrap_or(word);
    let octal = word.len() > 1 && word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit());
    let plain =
        !octal && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    word.parse().ok().filter(|_| plain)
}
