//! What a service answers with: bytes, or a sealed payload that is sent as it is read.
//!
//! What always holds: of a long payload one piece at a time is in memory, whatever its length; its place among those
//! that are sent at once is taken until its last piece goes out, and so is the turn of whatever is short; a client
//! that takes either more slowly than [`SLOWEST`] is cut off, and so is an answer whose payload cannot be read to its end, so that nobody takes half
//! of one for the whole.

use super::places::Place;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use medanchor_sdk::direct::SLOWEST;
use medanchor_vault::StoredPayload;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// The bytes of an answer that are sent at once.
const PIECE: usize = 64 << 10;
/// The bytes of a payload that are read at once.
const READ: u64 = 256 << 10;
/// How long a client may take for the first bytes of a payload, and be behind [`SLOWEST`] later.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest payload that is sent like any other answer.
pub(super) const SHORT: u64 = 1 << 20;

/// What a service answers with.
pub enum Reply {
    /// Bytes in memory.
    Whole(Vec<u8>),
    /// A long sealed payload, and the place of whoever gets it.
    Payload(StoredPayload, Place),
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes)
    }
}

impl Reply {
    /// The response. A short one keeps the turn until its last piece goes out, and one that takes long gives it
    /// back, since it has a place.
    pub(super) fn sent(self, turn: OwnedSemaphorePermit) -> Response {
        match self {
            Self::Whole(bytes) => whole(bytes, turn),
            Self::Payload(payload, place) => {
                let length = payload.length();
                let pieces = pieces(Sending::new(payload, length, place));
                response(length, Body::from_stream(pieces))
            }
        }
    }
}

fn response(length: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/cbor".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    (StatusCode::OK, headers, body).into_response()
}

fn whole(bytes: Vec<u8>, turn: OwnedSemaphorePermit) -> Response {
    let length = bytes.len();
    let pieces = cut(bytes, Instant::now(), turn);
    response(length as u64, Body::from_stream(stream::iter(pieces)))
}

/// Bytes in pieces; `held` is dropped with the last one.
fn cut<H>(bytes: Vec<u8>, since: Instant, held: H) -> impl Iterator<Item = io::Result<Bytes>> {
    let length = bytes.len();
    let bytes = Bytes::from(bytes);
    (0..length).step_by(PIECE).map(move |from| {
        let _held = &held;
        check_pace(from as u64, since)?;
        Ok(bytes.slice(from..length.min(from + PIECE)))
    })
}

/// A payload that is being sent.
struct Sending<R, H> {
    payload: R,
    left: u64,
    sent: u64,
    since: Instant,
    /// Whatever is taken until the last piece goes out.
    _held: H,
}

fn pieces<R: Read + Send + 'static, H: Send + 'static>(
    sending: Sending<R, H>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(sending, |sending| async move {
        if sending.left == 0 {
            return Ok(None);
        }
        check_pace(sending.sent, sending.since)?;
        let read = tokio::task::spawn_blocking(move || sending.piece());
        read.await.map_err(io::Error::other)?.map(Some)
    })
}

impl<R: Read, H> Sending<R, H> {
    fn new(payload: R, length: u64, held: H) -> Self {
        Self {
            payload,
            left: length,
            sent: 0,
            since: Instant::now(),
            _held: held,
        }
    }

    /// The next piece, and what is left after it.
    fn piece(mut self) -> io::Result<(Bytes, Self)> {
        let most = self.left.min(READ);
        let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(PIECE));
        let mut next = (&mut self.payload).take(most);
        let read = next.read_to_end(&mut bytes)? as u64;
        if read < most {
            tracing::error!("a stored payload is shorter than it was when it was opened");
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        self.sent += read;
        Ok((Bytes::from(bytes), self))
    }
}

/// Gives up a client that has taken so many bytes since then, if it is too slow.
fn check_pace(sent: u64, since: Instant) -> io::Result<()> {
    match is_too_slow(sent, since.elapsed()) {
        true => {
            tracing::warn!("an answer was taken too slowly, and the connection is cut");
            Err(ErrorKind::TimedOut.into())
        }
        false => Ok(()),
    }
}

/// Whether a client that took so many bytes in that time is too slow.
fn is_too_slow(sent: u64, elapsed: Duration) -> bool {
    elapsed > PATIENCE.saturating_add(Duration::from_secs(sent / SLOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    async fn sent(length: u64, stored: u64) -> (u64, bool, usize) {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().expect("a turn");
        let sending = Sending::new(io::repeat(7).take(stored), length, turn);
        let mut pieces = Box::pin(pieces(sending));
        let (mut sent, mut whole) = (0, true);
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    assert_eq!(turns.available_permits(), 0, "its turn is taken");
                    sent += piece.len() as u64;
                }
                Err(_) => whole = false,
            }
        }
        drop(pieces);
        (sent, whole, turns.available_permits())
    }

    #[tokio::test]
    async fn a_payload_is_sent_in_pieces_to_its_end_and_a_shorter_one_is_no_whole_answer() {
        for length in [0, 1, READ - 1, READ, READ + 1, 3 * READ + 7] {
            assert_eq!(sent(length, length).await, (length, true, 1), "{length}");
            if length > 0 {
                let (sent, whole, turns) = sent(length, length - 1).await;
                assert!(sent < length && !whole && turns == 1, "{length}");
            }
        }
        assert_eq!(sent(READ, 2 * READ).await.0, READ, "no more than was said");
    }

    #[test]
    fn whoever_drips_is_cut_off_and_whoever_is_slow_is_not() {
        assert!(!is_too_slow(0, PATIENCE));
        assert!(is_too_slow(SLOWEST - 1, PATIENCE + Duration::from_secs(1)));
        let hour = Duration::from_secs(3600);
        assert!(!is_too_slow(3600 * SLOWEST, hour + PATIENCE));
        assert!(is_too_slow(3539 * SLOWEST, hour));
    }

    /// One that has been sent for that long already.
    fn begun(
        turn: OwnedSemaphorePermit,
        sent: u64,
        ago: Duration,
    ) -> impl Stream<Item = io::Result<Bytes>> {
        let sending = Sending::new(io::repeat(7), 2 * READ, turn);
        pieces(Sending {
            sent,
            since: Instant::now().checked_sub(ago).unwrap(),
            ..sending
        })
    }

    #[tokio::test]
    async fn a_client_that_takes_too_little_is_cut_off_and_its_turn_is_free() {
        let turns = Arc::new(Semaphore::new(1));
        let late = PATIENCE + Duration::from_secs(2);
        for (sent, wholly) in [(0, false), (SLOWEST, false), (60 * SLOWEST, true)] {
            let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
            let pieces = begun(turn, sent, late).collect::<Vec<_>>().await;
            assert_eq!(pieces.iter().all(Result::is_ok), wholly, "{sent}");
            assert_eq!(pieces.len(), if wholly { 2 } else { 1 });
            let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
            let since = Instant::now().checked_sub(late).unwrap();
            let mut short = cut(vec![7; 3 * PIECE], since, turn);
            let given_up = short.next().unwrap().unwrap_err();
            assert_eq!(given_up.kind(), ErrorKind::TimedOut);
            drop(short);
            assert_eq!(turns.available_permits(), 1);
        }
    }

    #[test]
    fn what_is_short_goes_out_in_pieces_and_whole() {
        for length in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let pieces = cut(vec![7; length], Instant::now(), ());
            let sent: Vec<u8> = pieces.flat_map(Result::unwrap).collect();
            assert_eq!(sent, vec![7; length]);
        }
    }
}
