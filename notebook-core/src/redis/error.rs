//! Redis's errors as errors of this crate.

use redis::{ErrorKind as Kind, RedisError};

use crate::{Error, ErrorKind, Retry};

/// Turns an error in `operation` into one of this crate. The cause names hosts and never the password.
pub(crate) fn from_redis(operation: &'static str, error: RedisError) -> Error {
    let (kind, retry, fix) = kind(error.kind(), error.code());
    Error::new(kind, operation)
        .retry(retry)
        .with("fix", fix)
        .with("reason", error.to_string())
        .caused_by(error)
}

fn kind(kind: Kind, code: Option<&str>) -> (ErrorKind, Retry, &'static str) {
    const USER: &str = "check the user and password in Redis's URL";
    match (kind, code) {
        (_, Some("NOPERM")) => (
            ErrorKind::Unauthorized,
            Retry::Never,
            "allow Redis's user +publish, +subscribe, +ping and the channel, and for rate limits +eval, +get, +set, +del, +time and the keys `<channel>:limit:*`, for checkpoints +eval, +hmget, +hset, +pexpire, +del and the keys `<channel>:checkpoint:*`",
        ),
        (Kind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
            (ErrorKind::Unauthorized, Retry::Never, USER)
        }
        (Kind::InvalidClientConfig, _) => (
            ErrorKind::InvalidInput,
            Retry::Never,
            "give redis://user:password@host:port, rediss:// for TLS",
        ),
        (Kind::RESP3NotSupported, _) | (_, Some("NOPROTO")) => {
            (ErrorKind::Unsupported, Retry::Never, "use Redis 6 or newer")
        }
        (Kind::Parse | Kind::UnexpectedReturnType, _) => {
            (ErrorKind::Protocol, Retry::Backoff, "check that Redis's URL names a Redis")
        }
        _ => (
            ErrorKind::Unavailable,
            Retry::Backoff,
            "check that Redis runs, and the host and port in its URL",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_kinds() {
        for (from, code, to, retryable) in [
            (Kind::Io, None, ErrorKind::Unavailable, true),
            (Kind::Extension, Some("WRONGPASS"), ErrorKind::Unauthorized, false),
            (Kind::Extension, Some("NOAUTH"), ErrorKind::Unauthorized, false),
            (Kind::AuthenticationFailed, None, ErrorKind::Unauthorized, false),
            (Kind::Extension, Some("NOPERM"), ErrorKind::Unauthorized, false),
            (Kind::RESP3NotSupported, None, ErrorKind::Unsupported, false),
            (Kind::InvalidClientConfig, None, ErrorKind::InvalidInput, false),
            (Kind::Parse, None, ErrorKind::Protocol, true),
        ] {
            let (kind, retry, _) = kind(from, code);
            assert_eq!((kind, retry == Retry::Backoff), (to, retryable), "{from:?} {code:?}");
        }
    }
}
