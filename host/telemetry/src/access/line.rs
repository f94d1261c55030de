//! A line's text, formed in a buffer of the thread. By hand: it is on the way of every request, and formatters cost several
//! times as much.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Access, AccessFormat};

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    /// The second that was written last, and its text up to the point before its fraction.
    static SECOND: Cell<(u64, [u8; SECOND_LENGTH])> = const { Cell::new((u64::MAX, [0; SECOND_LENGTH])) };
}

/// Length of `2026-11-23T10:00:00`.
const SECOND_LENGTH: usize = 19;

/// What stands before a value: the end of the value before it, and the name.
#[derive(Clone, Copy)]
struct Key {
    json: &'static str,
    text: &'static str,
}

macro_rules! key {
    ($name:literal) => {
        Key { json: concat!(",\"", $name, "\":"), text: concat!(" ", $name, "=") }
    };
}

/// Forms the line, its end included, and gives it to `take`.
pub(super) fn with<T>(format: AccessFormat, access: &Access<'_>, take: impl FnOnce(&[u8]) -> T) -> T {
    LINE.with_borrow_mut(|line| {
        line.clear();
        write(&mut Fields { line, json: format == AccessFormat::Json }, access);
        take(line.as_bytes())
    })
}

fn write(fields: &mut Fields<'_>, access: &Access<'_>) {
    fields.begin(access.time);
    fields.address(key!("peer"), access.peer);
    fields.plain(key!("protocol"), access.protocol);
    fields.text(key!("method"), access.method);
    fields.text(key!("path"), access.path);
    fields.number(key!("status"), access.status.into());
    fields.number(key!("duration_us"), micros(access.duration));
    fields.number(key!("bytes_in"), access.bytes_in);
    if let Some(bytes) = access.bytes_out {
        fields.number(key!("bytes_out"), bytes);
    }
    fields.text(key!("request_id"), access.request_id);
    if let Some(trace) = access.trace_id {
        fields.quoted(key!("trace_id"), format_args!("{trace:032x}"));
    }
    if let Some((service, version)) = access.service {
        fields.plain(key!("service"), service.as_str());
        fields.plain(key!("version"), version);
        fields.number(key!("queue_us"), micros(access.queue));
        fields.number(key!("compute_us"), micros(access.compute));
    }
    if let Some(caller) = access.caller {
        fields.text(key!("caller"), caller);
    }
    if let Some(kind) = access.kind {
        fields.plain(key!("kind"), kind.name());
    }
    fields.line.push_str(if fields.json { "}\n" } else { "\n" });
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}

/// A line under way. Writing to a string does not fail, so that results are let go.
struct Fields<'a> {
    line: &'a mut String,
    json: bool,
}

impl Fields<'_> {
    /// Every line begins with its time.
    fn begin(&mut self, time: SystemTime) {
        self.line.push_str(if self.json { "{\"time\":\"" } else { "" });
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = second(since.as_secs());
        self.line.push_str(std::str::from_utf8(&second).unwrap_or_default());
        // A thousand and more, so that the fraction keeps its leading zeros behind the first digit.
        let mut fraction = [0; DIGITS];
        let fraction = digits(1000 + u64::from(since.subsec_millis()), &mut fraction);
        self.line.push('.');
        self.line.push_str(&fraction[1..]);
        self.line.push_str(if self.json { "Z\"" } else { "Z" });
    }

    fn key(&mut self, key: Key) {
        self.line.push_str(if self.json { key.json } else { key.text });
    }

    fn number(&mut self, key: Key, value: u64) {
        self.key(key);
        self.line.push_str(digits(value, &mut [0; DIGITS]));
    }

    fn quoted(&mut self, key: Key, value: std::fmt::Arguments<'_>) {
        self.key(key);
        let quote = if self.json { "\"" } else { "" };
        let _ = write!(self.line, "{quote}{value}{quote}");
    }

    fn address(&mut self, key: Key, address: IpAddr) {
        let IpAddr::V4(address) = address else { return self.quoted(key, format_args!("{address}")) };
        self.key(key);
        self.quote();
        for (index, octet) in address.octets().into_iter().enumerate() {
            self.line.push_str(if index == 0 { "" } else { "." });
            self.line.push_str(digits(octet.into(), &mut [0; DIGITS]));
        }
        self.quote();
    }

    fn quote(&mut self) {
        self.line.push_str(if self.json { "\"" } else { "" });
    }

    /// Text that needs no escape in either form.
    fn plain(&mut self, key: Key, value: &str) {
        self.key(key);
        self.quote();
        self.line.push_str(value);
        self.quote();
    }

    /// Text in quotes; in the text form only where it needs them.
    fn text(&mut self, key: Key, value: &str) {
        let harmless =
            |byte: u8| byte > b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f && (self.json || byte != b'=');
        if value.bytes().all(harmless) && !value.is_empty() {
            return self.plain(key, value);
        }
        self.key(key);
        self.line.push('"');
        value.chars().for_each(|character| self.escaped(character));
        self.line.push('"');
    }

    fn escaped(&mut self, character: char) {
        match character {
            '"' | '\\' => self.line.extend(['\\', character]),
            control if control.is_control() => _ = write!(self.line, "\\u{:04x}", u32::from(control)),
            other => self.line.push(other),
        }
    }
}

/// A second's date and time of day in UTC.
fn second(since_epoch: u64) -> [u8; SECOND_LENGTH] {
    let (known, text) = SECOND.get();
    if known == since_epoch {
        return text;
    }
    let seconds = i64::try_from(since_epoch).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string();
    let mut text = [b'0'; SECOND_LENGTH];
    text.iter_mut().zip(time.bytes()).for_each(|(place, byte)| *place = byte);
    SECOND.set((since_epoch, text));
    text
}

/// Digits of the largest number.
const DIGITS: usize = 20;

/// The decimal digits of a number, at the end of `buffer`.
fn digits(mut number: u64, buffer: &mut [u8; DIGITS]) -> &str {
    let mut start = DIGITS;
    loop {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[start..]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 1000, u64::MAX] {
            assert_eq!(digits(number, &mut [0; DIGITS]), number.to_string());
        }
    }

    #[test]
    fn seconds_are_told_apart() {
        assert_eq!(&second(1_700_000_000), b"2023-11-14T22:13:20");
        assert_eq!(&second(1_700_000_001), b"2023-11-14T22:13:21");
        assert_eq!(&second(0), b"1970-01-01T00:00:00");
    }
}
