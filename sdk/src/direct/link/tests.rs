//! Payloads from a counterpart that sends as it likes, over TLS.

use super::*;
use crate::testing::name;
use rustls::{ServerConfig, ServerConnection, Stream};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long the client waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it is left to wait for each piece.
const PAUSE: Duration = Duration::from_millis(20);
const ASKED: &[u8] = b"a statement";

/// A counterpart that sends pieces of an answer until the client has enough.
struct Sender {
    tls: ServerConnection,
    socket: TcpStream,
    enough: Receiver<()>,
}

impl Sender {
    /// Takes one request, and begins to answer it with so many bytes.
    fn begin(
        listener: &TcpListener,
        certificate: &Certificate,
        enough: Receiver<()>,
        length: usize,
    ) -> Self {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut tls = server(certificate);
        let mut stream = Stream::new(&mut tls, &mut socket);
        let mut asked = Vec::new();
        while !asked.ends_with(ASKED) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            asked.extend(byte);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.flush().unwrap();
        Self {
            tls,
            socket,
            enough,
        }
    }

    /// A record with so many bytes of the answer.
    fn record(&mut self, length: usize) -> Vec<u8> {
        self.tls.writer().write_all(&vec![7; length]).unwrap();
        let mut record = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut record).unwrap();
        }
        record
    }

    /// Sends a piece after a pause; whether the client still wanted it.
    fn sends(&mut self, piece: &[u8]) -> bool {
        self.enough.recv_timeout(PAUSE).is_err() && self.socket.write_all(piece).is_ok()
    }
}

fn server(certificate: &Certificate) -> ServerConnection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(certificate.expose_key().to_vec());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// What the client has of an answer of so many bytes, and what came of sending it.
fn asked<T: Send>(
    length: usize,
    send: impl FnOnce(Sender) -> T + Send,
    ask: impl FnOnce(&Link),
) -> T {
    let certificate = Certificate::generate(&["127.0.0.1".into()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let counterpart = Counterpart {
        name: name("north-hospital"),
        address: format!("https://{}", listener.local_addr().unwrap()),
        certificate: certificate.der().to_vec(),
        share_key: None,
    };
    let config = ClientConfig {
        request_timeout: PATIENCE,
        ..ClientConfig::default()
    };
    let own = Certificate::generate(&[]).unwrap();
    let link = Link::new(&own, &counterpart, None, &config).unwrap();
    let (have_enough, enough) = channel();
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| send(Sender::begin(&listener, &certificate, enough, length)));
        ask(&link);
        // Nobody waits for it where everything was sent.
        let _ = have_enough.send(());
        sent.join().unwrap()
    })
}

/// The patience was looked at between records only, and one of them took days.
#[test]
fn whoever_sends_one_record_drop_by_drop_is_given_up_before_it_is_whole() {
    let dripping = |mut sender: Sender| {
        let record = sender.record(1000);
        record.iter().all(|byte| sender.sends(&[*byte]))
    };
    let whole = asked(1000, dripping, |link| {
        let mut coming = link.open(Ask::Payload, ASKED, 1 << 20).unwrap();
        let broken = coming.read_to_end(&mut Vec::new()).unwrap_err();
        let given_up = link.broke_off(broken, 1 << 20).to_string();
        assert!(given_up.contains("no answer in time"), "{given_up}");
    });
    assert!(!whole, "the whole record was waited for");
}

/// A payload of 256 MiB over an ordinary line takes longer than an answer may, and was never read.
#[test]
fn a_payload_that_keeps_coming_may_take_longer_than_other_answers() {
    const PIECE: usize = 8 << 10;
    let pieces = 2 * PATIENCE.as_millis() / PAUSE.as_millis();
    let length = PIECE * usize::try_from(pieces).unwrap();
    let steadily = |mut sender: Sender| {
        (0..pieces).all(|_| {
            let record = sender.record(PIECE);
            sender.sends(&record)
        })
    };
    let all = asked(length, steadily, |link| {
        let payload = link.take(Ask::Payload, ASKED, 1 << 24).unwrap();
        assert_eq!(payload.len(), length);
    });
    assert!(all);
}

#[test]
fn an_answer_that_is_too_large_is_named_with_its_bound() {
    asked(1001, drop, |link| {
        let refused = link.take(Ask::Payload, ASKED, 1000).unwrap_err();
        let LinkError::Unreachable { why, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(why, NoAnswer::TooLarge(1000));
    });
}
