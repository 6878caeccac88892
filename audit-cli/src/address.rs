//! A log at an address, read over HTTP from a server that nobody trusts.
//!
//! What always holds: every request ends, whatever the server does: the bytes of a file, of the
//! headers and the time for all of it are bounded; redirects are not followed, so that a server sends
//! nobody elsewhere. A file that only grows is read in pieces by range requests, each a request of
//! its own; from a server that ignores ranges it is copied whole to a temporary file first.

use crate::fault::{Failure, Trouble};
use crate::source::{Source, bounded, too_long, unreadable};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

/// Bytes of a growing file that are read by one request.
const PIECE: u64 = 4 << 20;
/// The most bytes that are copied from a server which ignores ranges.
const MAX_COPY: u64 = 8 << 30;

/// A published log at an address.
pub(crate) struct Address {
    base: String,
    agent: Agent,
}

impl Address {
    pub(crate) fn new(base: &str, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            .timeout_connect(Some(patience.min(Duration::from_secs(10))))
            .timeout_recv_response(Some(patience.min(Duration::from_secs(30))))
            .max_redirects(0)
            .user_agent(concat!("medanchor-audit/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }
}

impl Source for Address {
    fn open_at(&self, path: &str, position: u64) -> Result<Option<Box<dyn Read + Send>>, Trouble> {
        let address = format!("{}/{path}", self.base);
        let mut file = Growing {
            agent: self.agent.clone(),
            address,
            position,
            piece: io::Cursor::new(Vec::new()),
            copy: None,
            ended: false,
        };
        Ok(file
            .advance()?
            .then(|| Box::new(file) as Box<dyn Read + Send>))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let address = format!("{}/{path}", self.base);
        let Some(answer) = get(&self.agent, &address, 0)? else {
            return Ok(None);
        };
        let announced = answer.body().content_length();
        if announced.is_some_and(|length| length > limit) {
            return Err(too_long(&address, limit));
        }
        bounded(answer.into_body().into_reader(), &address, limit).map(Some)
    }
}

/// Asks for a file from byte `position` on: none if there is no such file.
fn get(agent: &Agent, address: &str, position: u64) -> Result<Option<Response<Body>>, Trouble> {
    let mut request = agent.get(address);
    if position > 0 {
        request = request.header(header::RANGE, format!("bytes={position}-"));
    }
    let answer = request.call();
    let answer = answer.map_err(|error| unreadable(address, &error))?;
    match answer.status().as_u16() {
        200 | 206 | 416 => Ok(Some(answer)),
        404 | 410 => Ok(None),
        301..=308 => {
            let cause =
                "the server sends elsewhere, which is not followed: give the address itself";
            Err(unreadable(address, &cause))
        }
        other => {
            let cause = format_args!("the server answered {other}").to_string();
            Err(unreadable(address, &cause))
        }
    }
}

/// A file that only grows, read piece by piece.
struct Growing {
    agent: Agent,
    address: String,
    /// The first byte after `piece`.
    position: u64,
    piece: io::Cursor<Vec<u8>>,
    /// The whole file, of a server that ignores ranges.
    copy: Option<File>,
    ended: bool,
}

impl Growing {
    /// Reads the next piece; false if there is no such file.
    fn advance(&mut self) -> Result<bool, Trouble> {
        let Some(answer) = get(&self.agent, &self.address, self.position)? else {
            return Ok(false);
        };
        let failed = |error: io::Error| unreadable(&self.address, &error);
        match answer.status().as_u16() {
            416 => self.ended = true,
            200 if self.position > 0 => self.copy = Some(self.copied(answer)?),
            status => {
                if status == 206 && !starts_at(&answer, self.position) {
                    let cause = "the server answered with another range than was asked for";
                    return Err(unreadable(&self.address, &cause));
                }
                let mut piece = Vec::new();
                let mut body = answer.into_body().into_reader().take(PIECE);
                body.read_to_end(&mut piece).map_err(failed)?;
                // A shorter piece is the end of the file, as long as it was when it was asked for.
                self.ended = (piece.len() as u64) < PIECE;
                self.position = self.position.saturating_add(piece.len() as u64);
                self.piece = io::Cursor::new(piece);
            }
        }
        Ok(true)
    }

    /// The whole body in a temporary file, of which nobody knows the name, at `position`.
    fn copied(&self, answer: Response<Body>) -> Result<File, Trouble> {
        let copy = || {
            let mut copy = tempfile::tempfile()?;
            let mut body = answer.into_body().into_reader().take(MAX_COPY);
            io::copy(&mut body, &mut copy)?;
            copy.seek(SeekFrom::Start(self.position))?;
            Ok(copy)
        };
        copy().map_err(|error: io::Error| unreadable(&self.address, &error))
    }
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if let Some(copy) = &mut self.copy {
                return copy.read(buffer);
            }
            if self.ended {
                return Ok(0);
            }
            let there = self.advance().map_err(io::Error::other)?;
            self.ended |= !there;
        }
    }
}

fn starts_at(answer: &Response<Body>, position: u64) -> bool {
    let range = answer.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {position}-")))
}
