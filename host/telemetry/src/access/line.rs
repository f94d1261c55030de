//! A line's text, formed in a buffer of the thread.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::SystemTime;

use super::{Access, AccessFormat};

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
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
    fields.begin();
    fields.time(access.time);
    fields.key("peer");
    fields.quoted(format_args!("{}", access.peer));
    fields.text("protocol", access.protocol);
    fields.text("method", access.method);
    fields.text("path", access.path);
    fields.number("status", access.status.into());
    fields.number("duration_us", micros(access.duration));
    fields.number("bytes_in", access.bytes_in);
    if let Some(bytes) = access.bytes_out {
        fields.number("bytes_out", bytes);
    }
    fields.text("request_id", access.request_id);
    if let Some(trace) = access.trace_id {
        fields.key("trace_id");
        fields.quoted(format_args!("{trace:032x}"));
    }
    if let Some((service, version)) = access.service {
        fields.text("service", service.as_str());
        fields.text("version", version);
        fields.number("queue_us", micros(access.queue));
        fields.number("compute_us", micros(access.compute));
    }
    if let Some(caller) = access.caller {
        fields.text("caller", caller);
    }
    if let Some(kind) = access.kind {
        fields.text("kind", kind.name());
    }
    fields.end();
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A line under way. Writing to a string does not fail, so that results are let go.
struct Fields<'a> {
    line: &'a mut String,
    json: bool,
}

impl Fields<'_> {
    fn begin(&mut self) {
        if self.json {
            self.line.push('{');
        }
    }

    fn end(&mut self) {
        self.line.push_str(if self.json { "}\n" } else { "\n" });
    }

    fn key(&mut self, name: &str) {
        match (self.json, self.line.len() > 1) {
            (true, true) => self.line.push(','),
            (false, true) => self.line.push(' '),
            _ => {}
        }
        if self.json {
            self.line.push('"');
            self.line.push_str(name);
            self.line.push_str("\":");
        } else {
            self.line.push_str(name);
            self.line.push('=');
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        let _ = write!(self.line, "{value}");
    }

    fn quoted(&mut self, value: std::fmt::Arguments<'_>) {
        let quote = if self.json { "\"" } else { "" };
        let _ = write!(self.line, "{quote}{value}{quote}");
    }

    fn time(&mut self, time: SystemTime) {
        let time = jiff::Timestamp::try_from(time).unwrap_or_default();
        if self.json {
            self.key("time");
        }
        self.quoted(format_args!("{time:.3}"));
    }

    /// Text in quotes; in the text form only where it needs them.
    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        let plain =
            |byte: u8| byte > b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f && (self.json || byte != b'=');
        if value.bytes().all(plain) && !value.is_empty() {
            let quote = if self.json { "\"" } else { "" };
            for part in [quote, value, quote] {
                self.line.push_str(part);
            }
            return;
        }
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
