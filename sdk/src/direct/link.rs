//! A connection to one counterpart: mutual TLS, its certificate alone trusted, answers bounded.

use super::book::Counterpart;
use super::{Ask, Certificate};
use crate::client::ClientConfig;
use crate::client::coming::Coming;
use crate::client::http::{Answer, Http, NoAnswer, Request, broken};
use crate::client::problem::Problem;
use medanchor_ledger::{ParticipantName, TlsKeyHash};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::tls::{RootCerts, TlsConfig};

/// The most bytes of an answer that is not a payload.
pub const MAX_ANSWER: u64 = 1 << 20;
/// The bytes a second, over all, below which a payload that is being sent is given up: by whoever sends it, and
/// by whoever it is sent to.
pub const SLOWEST: u64 = 64 << 10;
const CBOR: &str = "application/cbor";
const ANY: &str = "application/cbor, application/octet-stream, application/problem+json";

/// Why a counterpart gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It shows another TLS key than the ledger names.
    #[error(
        "the address book's certificate of {name} has another key than the ledger names; get its entry anew"
    )]
    OtherKey {
        /// Whose certificate.
        name: ParticipantName,
    },
    /// The certificate cannot be shown.
    #[error("the own TLS certificate cannot be used; make a new one")]
    OwnCertificate,
    /// It could not be asked.
    #[error("{name} could not be asked ({why}); check its address and that it runs, and try again")]
    Unreachable {
        /// Who.
        name: ParticipantName,
        /// What happened.
        why: NoAnswer,
    },
    /// It refused.
    #[error("{name} refused: {problem}")]
    Refused {
        /// Who.
        name: ParticipantName,
        /// What it said.
        problem: Box<Problem>,
    },
}

impl LinkError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { problem, .. } => problem.may_pass_later(),
            _ => false,
        }
    }
}

/// A connection to one counterpart.
pub struct Link {
    name: ParticipantName,
    address: String,
    http: Http,
    patience: std::time::Duration,
    /// Whether something was answered over it: then a connection may be kept that the other end has
    /// closed meanwhile.
    answered: AtomicBool,
}

impl Link {
    /// A connection to `to`, which must show a key of the hash that `ledger` names, where it names one.
    ///
    /// # Errors
    /// [`LinkError::OtherKey`], [`LinkError::OwnCertificate`].
    pub fn new(
        own: &Certificate,
        to: &Counterpart,
        ledger: Option<TlsKeyHash>,
        config: &ClientConfig,
    ) -> Result<Self, LinkError> {
        if ledger.is_some() && to.key_hash() != ledger {
            let name = to.name.clone();
            return Err(LinkError::OtherKey { name });
        }
        let shown = own.client().ok_or(LinkError::OwnCertificate)?;
        let trusted = ureq::tls::Certificate::from_der(&to.certificate).to_owned();
        let tls = TlsConfig::builder()
            .client_cert(Some(shown))
            .root_certs(RootCerts::new_with_certs(&[trusted]))
            .build();
        Ok(Self {
            name: to.name.clone(),
            address: to.address.clone(),
            http: Http::over(config, tls),
            patience: config.request_timeout,
            answered: AtomicBool::new(false),
        })
    }

    /// Whom it leads to.
    #[must_use]
    pub const fn name(&self) -> &ParticipantName {
        &self.name
    }

    /// Posts a signed statement; gives the body of the answer.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn ask(&self, ask: Ask, statement: &[u8], limit: u64) -> Result<Vec<u8>, LinkError> {
        self.send(ask.path(), Some((statement, CBOR)), limit)
    }

    /// What the counterpart shows to everybody.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, LinkError> {
        self.send(path, None, limit)
    }

    fn send(
        &self,
        path: &str,
        body: Option<(&[u8], &'static str)>,
        limit: u64,
    ) -> Result<Vec<u8>, LinkError> {
        let request = self.request(path, body, limit);
        let answer = self.sent(|| self.http.send(&self.address, &request))?;
        match answer.status {
            200..300 => Ok(answer.body),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Posts a signed statement; gives the body of the answer as it comes, of any length up to the limit.
    pub(crate) fn open(&self, ask: Ask, statement: &[u8], limit: u64) -> Result<Coming, LinkError> {
        let request = self.request(ask.path(), Some((statement, CBOR)), limit);
        let opened = self.sent(|| self.http.open(&self.address, &request))?;
        opened.map_err(|answer| self.refused(&answer))
    }

    /// [`Link::ask`] for a payload in memory, which may take as long as [`SLOWEST`] gives its bytes.
    pub(crate) fn take(
        &self,
        ask: Ask,
        statement: &[u8],
        limit: u64,
    ) -> Result<Vec<u8>, LinkError> {
        let mut payload = Vec::new();
        let read = self.open(ask, statement, limit)?.read_to_end(&mut payload);
        read.map_err(|error| self.broke_off(error, limit))?;
        Ok(payload)
    }

    /// Why what [`Link::open`] gave could not be read to its end.
    pub(crate) fn broke_off(&self, error: std::io::Error, limit: u64) -> LinkError {
        self.unreachable(broken(error, limit))
    }

    fn request<'a>(
        &self,
        path: &'a str,
        body: Option<(&'a [u8], &'static str)>,
        limit: u64,
    ) -> Request<'a> {
        Request {
            path,
            body,
            accept: ANY,
            limit,
            patience: self.patience,
        }
    }

    /// Sends, and once more where the connection was one that the other end had closed meanwhile: whatever is
    /// asked of a counterpart may be asked twice.
    fn sent<T>(&self, send: impl Fn() -> Result<T, NoAnswer>) -> Result<T, LinkError> {
        let mut sent = send();
        if matches!(sent, Err(NoAnswer::Connection(_))) && self.answered.load(Ordering::Relaxed) {
            sent = send();
        }
        self.answered.store(sent.is_ok(), Ordering::Relaxed);
        sent.map_err(|why| self.unreachable(why))
    }

    fn unreachable(&self, why: NoAnswer) -> LinkError {
        let name = self.name.clone();
        LinkError::Unreachable { name, why }
    }

    fn refused(&self, answer: &Answer) -> LinkError {
        let problem = Problem::read(answer.status, &answer.body, answer.retry_after);
        LinkError::Refused {
            name: self.name.clone(),
            problem: Box::new(problem),
        }
    }
}

#[cfg(test)]
mod tests;
