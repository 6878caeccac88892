//! Errors over HTTP: RFC 9457 problem documents with a stable `code`.
//!
//! What always holds: a problem says what happened and what to do, and never holds bytes that the
//! client sent or anything about a person.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An RFC 9457 problem document.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `about:blank`: the code says it all.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What kind of problem this is, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What kind of problem this is, for programs. It never changes.
    code: &'static str,
    /// What happened here and what to do.
    detail: String,
    /// What it is about.
    #[serde(flatten)]
    about: Box<About>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What a problem is about, as far as it can be said.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
struct About {
    /// The rule that an event broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Whose doing it is: `signer`, `rival` or `early`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// The id of the event that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// The id of the event that won against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    winner: Option<String>,
    /// The winning event's receipt (C2SP tlog-proof).
    #[serde(skip_serializing_if = "Option::is_none")]
    winner_receipt: Option<String>,
    /// The refusal of a record's owner as it signed it (`docs/custody.md`), in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, text, title) = code.parts();
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            code: text,
            detail: detail.into(),
            about: Box::default(),
            retry_after: matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            )
            .then_some(1),
        }
    }

    /// A refusal of a service that keeps parts of keys; whether it may pass later decides the status.
    #[must_use]
    pub fn of_custody(code: &'static str, may_pass_later: bool, detail: String) -> Self {
        let (status, title) = match may_pass_later {
            true => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
            false => (StatusCode::FORBIDDEN, "Not permitted"),
        };
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            code,
            detail,
            about: Box::default(),
            retry_after: may_pass_later.then_some(1),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Names the rule that was broken and whose fault it is.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<String>, fault: impl Into<String>) -> Self {
        self.about.rule = Some(rule.into());
        self.about.fault = Some(fault.into());
        self
    }

    /// Shows the refusal that the owner of a record signed.
    #[must_use]
    pub fn with_refusal(mut self, signed: &[u8]) -> Self {
        self.about.refusal = Some(hex::encode(signed));
        self
    }

    /// Names the event.
    #[must_use]
    pub fn with_event(mut self, id: impl ToString) -> Self {
        self.about.event = Some(id.to_string());
        self
    }

    /// Names the event that won, with its receipt once there is one.
    #[must_use]
    pub fn with_winner(mut self, id: impl ToString, receipt: Option<String>) -> Self {
        self.about.winner = Some(id.to_string());
        self.about.winner_receipt = receipt;
        self
    }
}

/// Every kind of problem. The text of a code never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body or a part of the address is not what it should be.
    Malformed,
    /// The body's length is not announced, or in more than one way.
    LengthRequired,
    /// The body is larger than allowed.
    TooLarge,
    /// The content type is not one that this resource takes.
    UnsupportedMediaType,
    /// None of the forms that the client accepts can be had.
    NotAcceptable,
    /// The event is for another network.
    WrongNetwork,
    /// The not-after has passed.
    Stale,
    /// The not-after is too far ahead.
    TooFarAhead,
    /// The signer, or its key, is not known.
    UnknownSigner,
    /// The signature does not verify.
    BadSignature,
    /// A rule of the ledger refuses the event for good.
    RuleBroken,
    /// Nothing with that name is here.
    NotFound,
    /// There is no such resource.
    NoSuchResource,
    /// The resource does not take this method.
    MethodNotAllowed,
    /// The wanted bytes are beyond the end.
    RangeNotSatisfiable,
    /// Too few validators have signed yet.
    NoQuorum,
    /// No published checkpoint covers the height yet.
    NotCheckpointed,
    /// What was asked for is not kept here, or not any more.
    NotKept,
    /// The node has as much work as it may.
    Busy,
    /// The client asks more often than it may.
    RateLimited,
    /// The pool is full.
    PoolFull,
    /// The request took too long to arrive or to answer.
    Timeout,
    /// The node is stopping.
    Stopping,
    /// The node cannot read its own storage.
    Storage,
    /// A fault of the program.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 25] = [
        Self::Malformed,
        Self::LengthRequired,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::NotAcceptable,
        Self::WrongNetwork,
        Self::Stale,
        Self::TooFarAhead,
        Self::UnknownSigner,
        Self::BadSignature,
        Self::RuleBroken,
        Self::NotFound,
        Self::NoSuchResource,
        Self::MethodNotAllowed,
        Self::RangeNotSatisfiable,
        Self::NoQuorum,
        Self::NotCheckpointed,
        Self::NotKept,
        Self::Busy,
        Self::RateLimited,
        Self::PoolFull,
        Self::Timeout,
        Self::Stopping,
        Self::Storage,
        Self::Internal,
    ];

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "Malformed request"),
            Self::LengthRequired => (
                StatusCode::LENGTH_REQUIRED,
                "length-required",
                "Length required",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported content type",
            ),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "No such form"),
            Self::WrongNetwork => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "wrong-network",
                "Event for another network",
            ),
            Self::Stale => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "stale",
                "Not-after has passed",
            ),
            Self::TooFarAhead => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "too-far-ahead",
                "Not-after too far ahead",
            ),
            Self::UnknownSigner => (StatusCode::FORBIDDEN, "unknown-signer", "Unknown signer"),
            Self::BadSignature => (StatusCode::FORBIDDEN, "bad-signature", "Bad signature"),
            Self::RuleBroken => (StatusCode::CONFLICT, "rule-broken", "Refused by a rule"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::NoSuchResource => (
                StatusCode::NOT_FOUND,
                "no-such-resource",
                "No such resource",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::RangeNotSatisfiable => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "Beyond the end",
            ),
            Self::NoQuorum => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no-quorum",
                "No quorum yet",
            ),
            Self::NotCheckpointed => (
                StatusCode::NOT_FOUND,
                "not-checkpointed",
                "Not under a checkpoint yet",
            ),
            Self::NotKept => (StatusCode::GONE, "not-kept", "Not kept here"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Node is busy"),
            Self::RateLimited => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "Too many requests",
            ),
            Self::PoolFull => (StatusCode::TOO_MANY_REQUESTS, "pool-full", "Pool is full"),
            Self::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "Request took too long",
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "Node is stopping",
            ),
            Self::Storage => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage",
                "Storage cannot be read",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal fault",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if leaves_a_body(status) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Whether the request's body may not have been read to its end, or its end is not believed: the connection
/// closes, and a client must not ask anything over it any more.
fn leaves_a_body(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::LENGTH_REQUIRED | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_own_text() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.parts().1).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn too_many_says_when_to_come_back() {
        let response = Problem::new(Code::PoolFull, "try again").into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_problem_is_problem_json_with_its_code() {
        let problem = Problem::new(Code::RuleBroken, "lost").with_rule("once", "state");
        let json = serde_json::to_value(&problem).expect("json");
        assert_eq!(json["code"], "rule-broken");
        assert_eq!(json["status"], 409);
        assert_eq!(json["rule"], "once");
    }
}
