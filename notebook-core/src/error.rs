//! The error of this crate and of every port.

use std::{error::Error as StdError, fmt, time::Duration};

/// The result of a fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist in this scope. Foreign and absent look alike.
    NotFound,
    /// The thing exists already with other contents.
    AlreadyExists,
    /// The thing is in a state that forbids the call, or two parts disagree.
    Conflict,
    /// The caller's input is wrong; the context names the field and the fix.
    InvalidInput,
    /// The input is larger than a limit that the context names.
    TooLarge,
    /// The prompt does not fit the model's context window.
    ContextTooLong,
    /// A provider refused our credentials.
    Unauthorized,
    /// Nobody was recognised: the caller's own credentials are missing, wrong or good no more.
    Unauthenticated,
    /// The caller was recognised, and may not do this.
    Forbidden,
    /// A limit on the number of calls was met.
    RateLimited,
    /// A deadline passed.
    Timeout,
    /// A service or device could not be reached, or broke off.
    Unavailable,
    /// There is no room left on the device.
    StorageFull,
    /// Stored bytes fail their check.
    Corrupt,
    /// The other side answered with something outside its protocol.
    Protocol,
    /// This adapter does not do what was asked.
    Unsupported,
    /// The caller or the user ended the work.
    Cancelled,
    /// A defect in this program. It stays the last.
    Internal,
}

impl ErrorKind {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 18] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::InvalidInput,
        Self::TooLarge,
        Self::ContextTooLong,
        Self::Unauthorized,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::RateLimited,
        Self::Timeout,
        Self::Unavailable,
        Self::StorageFull,
        Self::Corrupt,
        Self::Protocol,
        Self::Unsupported,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The stable snake-case name, as used on the wire and in logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::InvalidInput => "invalid_input",
            Self::TooLarge => "too_large",
            Self::ContextTooLong => "context_too_long",
            Self::Unauthorized => "unauthorized",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
            Self::Corrupt => "corrupt",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// Whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// The same call will fail again.
    #[default]
    Never,
    /// The same call may succeed if repeated with a backoff.
    Backoff,
    /// The other side asked to wait this long.
    After(Duration),
}

/// An error with its kind, whether to retry, the operation, context, and the true cause.
///
/// `Display` is one line; `Debug` and [`StdError::source`] hold the whole chain.
///
/// ```
/// use notebook_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::TooLarge, "create notebook")
///     .with("field", "name")
///     .with("limit", "200 characters");
/// assert_eq!(error.to_string(), "create notebook: too_large (field: name, limit: 200 characters)");
/// assert!(!error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    operation: &'static str,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation` (a verb and its object, such as `"read chunk"`).
    #[must_use]
    pub fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: Retry::Never,
            operation,
            context: Vec::new(),
            source: None,
        }))
    }

    /// Shorthand for an [`ErrorKind::InvalidInput`] that names the field and the fix.
    #[must_use]
    pub fn invalid(operation: &'static str, field: &str, fix: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, operation).with("field", field).with("fix", fix)
    }

    /// Shorthand for an [`ErrorKind::NotFound`] of a named kind of thing.
    #[must_use]
    pub fn not_found(operation: &'static str, what: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, operation).with("what", what)
    }

    /// Adds a piece of context. Never put secrets or a tenant's text here.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Says whether the call may be repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether and when the call may be repeated.
    #[must_use]
    pub fn retry_status(&self) -> Retry {
        self.0.retry
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The value of a piece of context.
    #[must_use]
    pub fn context(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(k, _)| *k == key).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.kind.code())?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("retry", &self.0.retry)
            .field("operation", &self.0.operation)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
