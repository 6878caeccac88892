//! How fast the body of an answer has to come.
//!
//! What always holds: the connection's own bytes are counted, beneath TLS, and the wait for the next ones ends when
//! too few have come by then. Above TLS nobody would notice: a record is handed out once it is whole, and one of
//! 16 KiB of which a byte comes now and then takes days.

use crate::direct::SLOWEST;
use std::time::{Duration, Instant};
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// How long so many bytes may take of whoever is waited for with this patience.
pub(super) fn allowed(bytes: u64, patience: Duration) -> Duration {
    patience.saturating_add(Duration::from_secs(bytes / SLOWEST))
}

/// Connections on which bodies are paced whose request bounds the wait for each read, which is the patience,
/// and the whole body.
#[derive(Debug)]
pub(super) struct Pace;

impl<In: Transport> Connector<In> for Pace {
    type Out = Paced<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|transport| Paced {
            transport,
            body: None,
        }))
    }
}

/// A connection, and the body that comes over it.
#[derive(Debug)]
pub(super) struct Paced<T> {
    transport: T,
    body: Option<Body>,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    since: Instant,
    came: u64,
}

/// The patience for a body; none if it is something else that is waited for.
fn patience(timeout: &NextTimeout) -> Option<Duration> {
    match (timeout.reason, timeout.per_read) {
        (Timeout::RecvBody, Some(Wait::Exact(patience))) => Some(patience),
        _ => None,
    }
}

impl<T: Transport> Transport for Paced<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        let Some(patience) = patience(&timeout) else {
            self.body = None;
            return self.transport.await_input(timeout);
        };
        let body = self.body.unwrap_or_else(|| Body {
            since: Instant::now(),
            came: 0,
        });
        let left = allowed(body.came, patience).saturating_sub(body.since.elapsed());
        if left.is_zero() {
            return Err(Error::Timeout(Timeout::RecvBody));
        }
        timeout.after = Wait::Exact(left.min(*timeout.after));
        let before = self.transport.buffers().input().len();
        let read = self.transport.await_input(timeout)?;
        let came = self
            .transport
            .buffers()
            .input()
            .len()
            .saturating_sub(before);
        self.body = Some(Body {
            came: body.came.saturating_add(came as u64),
            ..body
        });
        Ok(read)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_slow_has_the_time_that_its_bytes_take() {
        let (patience, hour) = (Duration::from_secs(20), Duration::from_secs(3600));
        assert_eq!(allowed(0, patience), patience);
        assert_eq!(allowed(SLOWEST - 1, patience), patience);
        assert_eq!(allowed(3600 * SLOWEST, patience), hour + patience);
    }
}
