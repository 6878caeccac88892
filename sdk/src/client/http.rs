//! One request to one node, bounded in size and time.
//!
//! What always holds: no answer is read beyond the bound that its request names, no redirect is
//! followed, and an error says nothing of what was sent.

use super::config::ClientConfig;
use super::problem::MAX_PAUSE;
use std::io::Read;
use std::time::Duration;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

/// The largest header section of an answer.
const MAX_HEADER: usize = 16 << 10;
/// The largest problem document.
pub(crate) const MAX_PROBLEM: u64 = 128 << 10;

/// What is asked of a node.
pub(crate) struct Request<'a> {
    /// The path and query, from the slash on.
    pub(crate) path: &'a str,
    /// What is posted, and its media type; a GET if there is none.
    pub(crate) body: Option<(&'a [u8], &'static str)>,
    /// The media types that the answer may have.
    pub(crate) accept: &'static str,
    /// The most bytes of a good answer.
    pub(crate) limit: u64,
    /// How long the answer may take.
    pub(crate) patience: Duration,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The media type without parameters, in lower case.
    pub(crate) media_type: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// The node could not be reached, or the connection broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// The node did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer was larger than any right one.
    #[error("the answer was larger than {0} bytes")]
    TooLarge(u64),
    /// The answer was not HTTP.
    #[error("the answer was not HTTP")]
    NotHttp,
    /// The address is not one.
    #[error("not the address of a node; give http://HOST:PORT or https://HOST:PORT")]
    Address,
}

/// The connections to nodes.
pub(crate) struct Http(Agent);

impl Http {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Self::over(config, TlsConfig::default())
    }

    /// Connections over this TLS.
    pub(crate) fn over(config: &ClientConfig, tls: TlsConfig) -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(MAX_HEADER)
            .timeout_connect(Some(config.connect_timeout))
            .timeout_resolve(Some(config.connect_timeout))
            .max_idle_age(Duration::from_secs(5))
            .tls_config(tls)
            .user_agent(concat!("medanchor-sdk/", env!("CARGO_PKG_VERSION")));
        let settings = if config.environment_proxy {
            settings
        } else {
            settings.proxy(None)
        };
        Self(settings.build().new_agent())
    }

    /// Sends `request` to the node at `address` and reads the whole answer.
    pub(crate) fn send(&self, address: &str, request: &Request<'_>) -> Result<Answer, NoAnswer> {
        let url = format!("{address}{}", request.path);
        let patience = Some(request.patience);
        let sent = match request.body {
            Some((body, media_type)) => (self.0.post(&url))
                .header(CONTENT_TYPE, media_type)
                .header(ACCEPT, request.accept)
                .config()
                .timeout_global(patience)
                .build()
                .send(body),
            None => (self.0.get(&url))
                .header(ACCEPT, request.accept)
                .config()
                .timeout_global(patience)
                .build()
                .call(),
        };
        read(sent.map_err(no_answer)?, request.limit)
    }
}

fn read(mut response: Response<Body>, limit: u64) -> Result<Answer, NoAnswer> {
    let status = response.status().as_u16();
    let limit = if response.status().is_success() {
        limit
    } else {
        MAX_PROBLEM
    };
    let media_type = media_type(response.headers());
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    let mut reader = response
        .body_mut()
        .as_reader()
        .take(limit.saturating_add(1));
    reader
        .read_to_end(&mut body)
        .map_err(|error| no_answer(error.into()))?;
    if body.len() as u64 > limit {
        return Err(NoAnswer::TooLarge(limit));
    }
    Ok(Answer {
        status,
        media_type,
        retry_after,
        body,
    })
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = text
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(text.trim().parse().ok()?).min(MAX_PAUSE))
}

fn no_answer(error: ureq::Error) -> NoAnswer {
    match error {
        ureq::Error::Timeout(_) => NoAnswer::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => NoAnswer::Timeout,
        // The kind says enough; the system's own text could hold an address or a path.
        ureq::Error::Io(error) => NoAnswer::Connection(error.kind().to_string()),
        ureq::Error::HostNotFound => NoAnswer::Connection("host not found".into()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => NoAnswer::Address,
        ureq::Error::Protocol(_) => NoAnswer::NotHttp,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => NoAnswer::Connection("TLS failed".into()),
        _ => NoAnswer::Connection("the connection failed".into()),
    }
}
