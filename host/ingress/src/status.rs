//! The one table from [`ErrorKind`] to HTTP status and gRPC code.

use http::StatusCode;
use scorehost_core::ErrorKind;

/// How a failure looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Status of an HTTP response.
    pub http: StatusCode,
    /// Code of a gRPC status (<https://grpc.io/docs/guides/status-codes/>).
    pub grpc: u8,
}

/// The wire status of a kind of failure.
#[must_use]
pub const fn status_of(kind: ErrorKind) -> Status {
    let (http, grpc) = match kind {
        ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, 3),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, 16),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, 7),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, 5),
        ErrorKind::Conflict => (StatusCode::CONFLICT, 10),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 8),
        ErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, 12),
        ErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, 8),
        ErrorKind::Deadline => (StatusCode::GATEWAY_TIMEOUT, 4),
        ErrorKind::ScorerFault => (StatusCode::BAD_GATEWAY, 13),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 14),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, 13),
    };
    Status { http, grpc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        let rows = [
            (ErrorKind::InvalidInput, 400, 3),
            (ErrorKind::Unauthenticated, 401, 16),
            (ErrorKind::Forbidden, 403, 7),
            (ErrorKind::NotFound, 404, 5),
            (ErrorKind::Conflict, 409, 10),
            (ErrorKind::TooLarge, 413, 8),
            (ErrorKind::Unsupported, 501, 12),
            (ErrorKind::Overloaded, 503, 8),
            (ErrorKind::Deadline, 504, 4),
            (ErrorKind::ScorerFault, 502, 13),
            (ErrorKind::Unavailable, 503, 14),
            (ErrorKind::Internal, 500, 13),
        ];
        for (kind, http, grpc) in rows {
            let status = status_of(kind);
            assert_eq!((status.http.as_u16(), status.grpc), (http, grpc), "{kind:?}");
        }
        assert_eq!(rows.map(|(kind, ..)| kind), ErrorKind::ALL);
    }
}
