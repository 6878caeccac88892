//! HTTP for the service: over `ureq`, so that no second client with a second TLS is built.
//!
//! What always holds: every request ends in bounded time and every answer is bounded in size. A request
//! blocks the thread that makes it, which is one of its own (see `wait`).

use super::PART;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use std::time::Duration;
use ureq::http::{Request, Response, request::Parts};

/// The largest answer: a part, and room for a message.
const MAX_ANSWER: u64 = PART as u64 + 1024 * 1024;
/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Connections to the service.
#[derive(Clone, Debug)]
pub(super) struct Wire(ureq::Agent);

impl Wire {
    /// A client; in clear text it goes straight to the endpoint, otherwise through the proxy that the
    /// environment names, if it does.
    pub(super) fn new(clear: bool) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("medanchor/", env!("CARGO_PKG_VERSION")));
        let config = if clear { config.proxy(None) } else { config };
        Self(config.build().new_agent())
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        send(&self.0, parts, &body).map_err(|error| HttpError::new(kind(&error), error))
    }
}

fn send(agent: &ureq::Agent, parts: Parts, body: &Bytes) -> Result<HttpResponse, ureq::Error> {
    let answer = if body.is_empty() && parts.method != "PUT" && parts.method != "POST" {
        agent.run(Request::from_parts(parts, ()))?
    } else {
        agent.run(Request::from_parts(parts, &body[..]))?
    };
    let (parts, mut body) = answer.into_parts();
    let bytes = body.with_config().limit(MAX_ANSWER).read_to_vec()?;
    Ok(Response::from_parts(parts, bytes.into()))
}

/// What may be tried again, in the words of the store's crate.
const fn kind(error: &ureq::Error) -> HttpErrorKind {
    match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    }
}
