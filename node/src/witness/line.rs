//! The line to one witness: a thread of its own that sends one request at a time.
//!
//! What always holds: a request ends within [`PATIENCE`]; no answer is read beyond its bound, no
//! redirect is followed. The thread has nothing of the node's, so a stop need not wait for it.

use super::Trouble;
use medanchor_ledger::witness::{MAX_ANSWER_BYTES, SIZE_TYPE};
use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;
use ureq::http::header::CONTENT_TYPE;

/// How long a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest header section of an answer.
const MAX_HEADER: usize = 16 << 10;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200 and its body.
    Cosigned(Vec<u8>),
    /// 409 with a size, as it came.
    Conflict(Vec<u8>),
}

struct Job {
    body: String,
    reply: oneshot::Sender<Result<Answer, Trouble>>,
}

/// The line to one witness.
pub(super) struct Line(Sender<Job>);

impl Line {
    /// Opens the line to the witness with this submission prefix.
    pub(super) fn open(name: &str, prefix: &str) -> std::io::Result<Self> {
        let url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'));
        let (jobs, waiting) = channel();
        std::thread::Builder::new()
            .name(format!("witness {name}"))
            .spawn(move || serve(&url, &waiting))?;
        Ok(Self(jobs))
    }

    /// Sends a request and waits for the answer.
    pub(super) async fn ask(&self, body: String) -> Result<Answer, Trouble> {
        let (reply, answer) = oneshot::channel();
        let ended = Trouble::Unreachable;
        self.0.send(Job { body, reply }).map_err(|_| ended)?;
        answer.await.map_err(|_| ended)?
    }
}

fn serve(url: &str, jobs: &Receiver<Job>) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_response_header_size(MAX_HEADER)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .user_agent(concat!("medanchor/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    while let Ok(job) = jobs.recv() {
        // Nobody waits any more when the node stops.
        let _ = job.reply.send(post(&agent, url, &job.body));
    }
}

fn post(agent: &ureq::Agent, url: &str, body: &str) -> Result<Answer, Trouble> {
    let request = agent.post(url).content_type("text/plain; charset=utf-8");
    let mut response = request.send(body).map_err(|error| trouble(&error))?;
    let status = response.status().as_u16();
    let kind = response.headers().get(CONTENT_TYPE);
    let tells_size = kind.is_some_and(|kind| kind.as_bytes() == SIZE_TYPE.as_bytes());
    if status != 200 && (status != 409 || !tells_size) {
        return Err(Trouble::Status(status));
    }
    let limit = MAX_ANSWER_BYTES as u64;
    let mut body = Vec::new();
    let mut reader = response.body_mut().as_reader().take(limit + 1);
    let read = reader.read_to_end(&mut body);
    read.map_err(|error| trouble(&error.into()))?;
    match status {
        _ if body.len() as u64 > limit => Err(Trouble::Oversize),
        200 => Ok(Answer::Cosigned(body)),
        _ => Ok(Answer::Conflict(body)),
    }
}

fn trouble(error: &ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(_) => Trouble::Timeout,
        ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Trouble::Timeout,
        ureq::Error::Http(_) | ureq::Error::Protocol(_) => Trouble::Malformed,
        ureq::Error::LargeResponseHeader(..) => Trouble::Oversize,
        _ => Trouble::Unreachable,
    }
}

#[cfg(test)]
mod tests;
