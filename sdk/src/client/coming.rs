//! The body of an answer while it comes.
//!
//! What always holds: no more bytes are given than the bound; whoever sends nothing for a while is given up,
//! and so is whoever sends so slowly that it would take for ever ([`Pace`](super::pace::Pace) sees to that while
//! nothing has come that could be given).

use super::pace::allowed;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};
use ureq::{Body, BodyReader};

/// The body of an answer while it comes.
pub(crate) struct Coming {
    body: BodyReader<'static>,
    limit: u64,
    came: u64,
    since: Instant,
    patience: Duration,
}

impl Coming {
    pub(super) fn new(body: Body, limit: u64, patience: Duration) -> Self {
        Self {
            body: body.into_reader(),
            limit,
            came: 0,
            since: Instant::now(),
            patience,
        }
    }
}

impl Read for Coming {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(room)?;
        self.came = self.came.saturating_add(read as u64);
        if self.came > self.limit {
            return Err(ErrorKind::FileTooLarge.into());
        }
        match self.since.elapsed() > allowed(self.came, self.patience) {
            true => Err(ErrorKind::TimedOut.into()),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientConfig;
    use crate::client::http::{Http, NoAnswer, Request, broken};
    use std::io::Write;
    use std::net::TcpListener;

    /// What comes of an answer of these bytes, after which the connection ends.
    fn came(answer: &str, limit: u64) -> Result<Vec<u8>, NoAnswer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let request = Request {
            path: "/v1/payloads",
            body: Some((b"a", "application/cbor")),
            accept: "*/*",
            limit,
            patience: Duration::from_secs(20),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\na") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    asked.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let opened = Http::new(&ClientConfig::default()).open(&address, &request)?;
            let mut body = Vec::new();
            match opened {
                Ok(mut coming) => match coming.read_to_end(&mut body) {
                    Ok(_) => Ok(body),
                    Err(error) => Err(broken(error, limit)),
                },
                Err(refused) => Ok([refused.status.to_string().into(), refused.body].concat()),
            }
        })
    }

    #[test]
    fn an_answer_comes_whole_or_not_and_within_its_bound() {
        let announced = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
        assert_eq!(came(announced, 10).unwrap(), b"0123456789");
        assert_eq!(came(announced, 9), Err(NoAnswer::TooLarge(9)));
        let cut = came(&announced[..announced.len() - 1], 10);
        assert!(matches!(cut, Err(NoAnswer::Connection(_))), "{cut:?}");
        let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789";
        assert_eq!(came(endless, 9), Err(NoAnswer::TooLarge(9)));
        let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
        assert_eq!(came(refused, 1).unwrap(), b"403no");
    }
}
