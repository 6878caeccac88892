//! One request to one node, bounded in size and time.
//!
//! What always holds: no answer is read beyond the bound that its request names, no redirect is
//! followed, and an error says nothing of what was sent.

use super::coming::Coming;
use super::config::ClientConfig;
use super::pace::{Pace, allowed};
use super::problem::MAX_PAUSE;
use std::io::Read;
use std::time::Duration;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, TcpConnector,
};
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
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(Pace)
                .chain(RustlsConnector::default());
        let resolver = DefaultResolver::default();
        Self(Agent::with_parts(settings.build(), connector, resolver))
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
        let response = sent.map_err(no_answer)?;
        let limit = limit_of(&response, request.limit);
        read(response, limit, |body| {
            body.into_reader().take(limit.saturating_add(1))
        })
    }

    /// Posts `request`, which has a body, and gives that of a good answer as it comes, of any length up to the
    /// limit; any other answer is whole. `patience` is how long each step may take, and the answer's next bytes.
    pub(crate) fn open(
        &self,
        address: &str,
        request: &Request<'_>,
    ) -> Result<Result<Coming, Answer>, NoAnswer> {
        let (body, media_type) = request.body.unwrap_or_default();
        let patience = Some(request.patience);
        let sent = (self.0.post(format!("{address}{}", request.path)))
            .header(CONTENT_TYPE, media_type)
            .header(ACCEPT, request.accept)
            .config()
            .timeout_send_request(patience)
            .timeout_send_body(patience)
            .timeout_recv_response(patience)
            .timeout_recv_body(Some(allowed(request.limit, request.patience)))
            .timeout_per_read(patience)
            .timeout_per_write(patience)
            .build()
            .send(body);
        let response = sent.map_err(no_answer)?;
        let limit = limit_of(&response, request.limit);
        if !response.status().is_success() {
            let coming = |body| Coming::new(body, limit, request.patience);
            return read(response, limit, coming).map(Err);
        }
        check_announced(&response, limit)?;
        let coming = Coming::new(response.into_body(), limit, request.patience);
        Ok(Ok(coming))
    }
}

/// The most bytes of an answer of this status.
fn limit_of(response: &Response<Body>, limit: u64) -> u64 {
    match response.status().is_success() {
        true => limit,
        false => MAX_PROBLEM,
    }
}

/// An answer that says itself that it is too large is not read.
fn check_announced(response: &Response<Body>, limit: u64) -> Result<(), NoAnswer> {
    match response.body().content_length() {
        Some(length) if length > limit => Err(NoAnswer::TooLarge(limit)),
        _ => Ok(()),
    }
}

fn read<R: Read>(
    response: Response<Body>,
    limit: u64,
    reader: impl FnOnce(Body) -> R,
) -> Result<Answer, NoAnswer> {
    check_announced(&response, limit)?;
    let status = response.status().as_u16();
    let media_type = media_type(response.headers());
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    reader(response.into_body())
        .read_to_end(&mut body)
        .map_err(|error| broken(error, limit))?;
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

/// Why the body of an answer of at most `limit` bytes was not read to its end.
pub(crate) fn broken(error: std::io::Error, limit: u64) -> NoAnswer {
    match error.kind() {
        std::io::ErrorKind::FileTooLarge => NoAnswer::TooLarge(limit),
        _ => no_answer(error.into()),
    }
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
