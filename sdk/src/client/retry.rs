//! Trying again: which node next, and after what pause.
//!
//! What always holds: a request is sent at most `attempts` times; the same bytes go out each time;
//! each attempt goes to the next node, so that one dead node costs one attempt; a pause doubles up to
//! its bound, has up to half of it taken off at random so that clients do not come back together, and
//! is never shorter than what the node asked for.

use super::config::ClientConfig;
use super::http::{Answer, Http, NoAnswer, Request};
use super::problem::Problem;
use crate::context::{Context, random};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The nodes that a client may ask.
pub(super) struct Nodes {
    addresses: Vec<String>,
    /// The node that answered last; the next request begins there.
    current: AtomicUsize,
    http: Http,
}

/// Why a request was not served.
pub(super) enum Failure {
    /// No attempt got an answer; the last one failed so.
    NoAnswer(NoAnswer),
    /// A node refused.
    Problem(Box<Problem>),
}

impl Nodes {
    pub(super) fn new(addresses: Vec<String>, config: &ClientConfig) -> Self {
        Self {
            addresses,
            current: AtomicUsize::new(0),
            http: Http::new(config),
        }
    }

    /// The addresses, without a slash at the end.
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Lets the next request begin at the next node.
    pub(super) fn pass_over(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    fn address(&self, turn: usize) -> &str {
        // The list is never empty: `Client::new` refuses that.
        let place = turn.checked_rem(self.addresses.len()).unwrap_or_default();
        self.addresses.get(place).map_or("", String::as_str)
    }

    /// Sends the request until a node serves it, refuses it for good, or the attempts are used up.
    pub(super) fn ask(
        &self,
        request: &Request<'_>,
        config: &ClientConfig,
        context: &dyn Context,
    ) -> Result<Answer, Failure> {
        let mut failure = Failure::NoAnswer(NoAnswer::Address);
        for attempt in 0..config.attempts.max(1) {
            let turn = self.current.load(Ordering::Relaxed);
            match self.once(self.address(turn), request) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Problem(problem)) if !problem.may_pass_later() => {
                    return Err(Failure::Problem(problem));
                }
                Err(Failure::NoAnswer(NoAnswer::Address)) => {
                    return Err(Failure::NoAnswer(NoAnswer::Address));
                }
                Err(later) => failure = later,
            }
            self.current.store(turn.wrapping_add(1), Ordering::Relaxed);
            if attempt + 1 < config.attempts {
                context.pause(self.pause(attempt, &failure, config, context));
            }
        }
        Err(failure)
    }

    fn once(&self, address: &str, request: &Request<'_>) -> Result<Answer, Failure> {
        let answer = self
            .http
            .send(address, request)
            .map_err(Failure::NoAnswer)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let Answer {
            status,
            retry_after,
            body,
            ..
        } = answer;
        let problem = Problem::read(status, &body, retry_after);
        Err(Failure::Problem(Box::new(problem)))
    }

    fn pause(
        &self,
        attempt: u32,
        failure: &Failure,
        config: &ClientConfig,
        context: &dyn Context,
    ) -> Duration {
        // Until every node had its turn there is no reason to wait for a dead one.
        let unreachable = matches!(failure, Failure::NoAnswer(_));
        let rounds = attempt / u32::try_from(self.addresses.len().max(1)).unwrap_or(u32::MAX);
        if unreachable && usize::try_from(attempt).is_ok_and(|n| n + 1 < self.addresses.len()) {
            return Duration::ZERO;
        }
        let full = config
            .first_pause
            .saturating_mul(1 << rounds.min(16))
            .min(config.longest_pause);
        let asked = match failure {
            Failure::Problem(problem) => problem.retry_after.unwrap_or_default(),
            Failure::NoAnswer(_) => Duration::ZERO,
        };
        jittered(full, context).max(asked)
    }
}

/// Between half of `full` and all of it.
fn jittered(full: Duration, context: &dyn Context) -> Duration {
    let drawn = random::<2>(context).map_or(0, u16::from_be_bytes);
    full / 2 + (full / 2).mul_f64(f64::from(drawn) / f64::from(u16::MAX))
}
