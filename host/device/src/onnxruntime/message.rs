//! ONNX Runtime's error messages as a caller may read them.

use ort::ErrorCode;

use crate::DeviceError;

/// Longest message that is passed on, in bytes.
const LONGEST: usize = 600;

/// What ONNX Runtime says against loading a model.
pub(super) fn refused(error: &ort::Error) -> DeviceError {
    DeviceError::Refused { device: "ONNX Runtime", message: public(error.message()) }
}

/// What ONNX Runtime says against running one. Kernels report shapes that do not work under nearly every code, so all
/// but those that mean the device itself count as the input's fault.
pub(super) fn run_failed(error: &ort::Error) -> DeviceError {
    let message = error.message();
    if message.contains("Failed to allocate memory") || message.contains("bad_alloc") {
        return DeviceError::Memory(message.to_owned());
    }
    match error.code() {
        ErrorCode::EngineError | ErrorCode::ExecutionProviderFailure | ErrorCode::DeviceReset => {
            DeviceError::Device(message.to_owned())
        }
        _ => DeviceError::Run(public(message)),
    }
}

/// The message without source locations and paths of the host, on one line and of bounded length.
fn public(message: &str) -> String {
    let words = message.split_whitespace().filter(|word| !is_host_path(word));
    let mut text = words.collect::<Vec<_>>().join(" ");
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Source locations (`/a/b.cc:12`) and files; names of nodes also hold slashes, but come in quotes.
fn is_host_path(word: &str) -> bool {
    let path = word.trim_start_matches(['[', '(', '"']);
    path.starts_with('/') && path.matches('/').count() > 1
}

#[cfg(test)]
mod tests;
