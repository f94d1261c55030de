//! What goes wrong, in the one form that crosses rooms.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Classes of failure. `ingress` maps each to an HTTP status and a gRPC code in one table; the name is the metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request can never succeed as sent.
    InvalidInput,
    /// No credential, or a wrong one.
    Unauthenticated,
    /// A known caller who may not do this.
    Forbidden,
    /// The named thing does not exist.
    NotFound,
    /// Another operation on the same thing is under way, or the thing exists already with other content.
    Conflict,
    /// Larger than a configured bound.
    TooLarge,
    /// Known to the protocol, not offered here.
    Unsupported,
    /// A queue or a limit is full; the same request may work later.
    Overloaded,
    /// The deadline passed.
    Deadline,
    /// The scorer trapped, raised or returned something invalid.
    ScorerFault,
    /// Something needed (a replica, a model, a device) is not ready.
    Unavailable,
    /// A fault of the host.
    Internal,
}

impl ErrorKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 12] = [
        Self::InvalidInput,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::Unsupported,
        Self::Overloaded,
        Self::Deadline,
        Self::ScorerFault,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Whether the same request may succeed when sent again.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable | Self::Conflict)
    }

    /// Snake-case name: metric label and the `kind` of management error bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
            Self::ScorerFault => "scorer_fault",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure as it crosses rooms: what the caller may read, and apart from it what only the log may hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Class of the failure.
    pub kind: ErrorKind,
    /// For the caller: what failed and what was expected. Names things, never secrets or paths of the host.
    pub message: Cow<'static, str>,
    /// For the caller: the next step, where there is one.
    pub hint: Option<Cow<'static, str>>,
    /// For the log only: causes, backtraces.
    pub detail: Option<String>,
    /// When the same request may come again, where that is known. An [`ErrorKind::Overloaded`] failure that has it is the
    /// caller's own doing: too many requests or attempts in a time.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure of `kind` with a public message.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), hint: None, detail: None, retry_after: None }
    }

    /// Adds the next step for the caller.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what only the log may hold.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds when the same request may come again.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// An [`ErrorKind::InvalidInput`] failure.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// An [`ErrorKind::NotFound`] failure.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An [`ErrorKind::Internal`] failure: a public message that tells nothing, and the cause for the log.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, "internal error of the host; see its log under this request's id")
            .with_detail(detail.to_string())
    }

    /// The [`ErrorKind::Internal`] failure of a contained panic (`std::panic::catch_unwind`); what it said is for the log.
    #[must_use]
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        Self::internal(format_args!("panicked: {text}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
