//! A node's HTTP service from outside: what good input gets, and what bad input gets.

mod bodies;
mod description;
mod proofs;
mod receipts;
mod rig;

use medanchor_ledger::event::{
    ConsentRevoke, Event, LotOpen, PrescriptionIssue, UnitDispense, Units, UnsignedEvent,
};
use medanchor_ledger::policy::Policy;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{LotHandle, NetworkId, PrescriptionHandle, Time, UnitHandle};
use medanchor_node::chain::Shared;
use rig::{Answer, MINUTE, PATIENCE, Rig, commitment, record};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

#[test]
fn an_event_gets_a_receipt_that_holds_offline() {
    let rig = Rig::new();
    let event = rig.sign(rig.record());
    let answer = rig.anchor(&event);
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    let policy = Policy::parse(&rig.get("/policy").body).expect("a policy");
    assert_eq!(policy.as_bytes(), rig.layout.genesis.policy().as_bytes());
    medanchor_sdk::verify_receipt(&policy, event.encoded(), &answer.body).expect("holds");
    let fetched = rig.get(&format!("/v1/events/{}", event.id()));
    assert_eq!(
        (fetched.status, fetched.body.as_slice()),
        (200, event.encoded())
    );
    let again = rig.get(&format!("/v1/events/{}/receipt", event.id()));
    medanchor_sdk::verify_receipt(&policy, event.encoded(), &again.body).expect("holds");
}

#[test]
fn a_known_event_is_answered_with_its_receipt() {
    let rig = Rig::new();
    let event = rig.sign(rig.record());
    assert_eq!(rig.anchor(&event).status, 200);
    let replayed = rig.post(event.encoded());
    assert_eq!(
        (replayed.status, replayed.kind.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    let index = || {
        let known = rig.send("/v1/events/batch", "application/cbor-seq", event.encoded());
        known.json()["results"][0]["index"]
            .as_u64()
            .expect("anchored")
    };
    let first = index();
    assert_eq!(rig.anchor(&event).status, 200);
    assert_eq!(index(), first, "nothing was anchored twice");
    let mut broken = event.encoded().to_vec();
    *broken.last_mut().expect("bytes") ^= 1;
    let refused = rig.post(&broken);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "bad-signature")
    );
}

#[test]
fn bytes_that_are_no_event_are_refused() {
    let rig = Rig::new();
    let event = rig.sign(rig.record());
    let whole = event.encoded();
    assert_eq!(rig.post(b"garbage").code(), "malformed");
    assert_eq!(rig.post(b"").code(), "malformed");
    assert_eq!(rig.post(&whole[..whole.len() - 1]).code(), "malformed");
    assert_eq!(rig.post(&[whole, &[0]].concat()).code(), "malformed");
    assert_eq!(rig.post(&vec![0xd2; 5_000]).code(), "malformed");
    let large = rig.post(&vec![0xd2; 17_000]);
    assert_eq!((large.status, large.code().as_str()), (413, "too-large"));
    // Array of four with a longer head than it needs: the same value in another encoding.
    let loose = [&whole[..1], &[0x98, 0x04], &whole[2..]].concat();
    assert_eq!(rig.post(&loose).code(), "malformed");
    assert_eq!(
        rig.send("/v1/events", "text/plain", whole).code(),
        "unsupported-media-type"
    );
    // The pool may hold what the node says for itself.
    let known = rig.get(&format!("/v1/events/{}", event.id()));
    assert_eq!((known.status, known.code().as_str()), (404, "not-found"));
}

#[test]
fn an_event_out_of_place_or_time_is_refused() {
    let rig = Rig::new();
    let post = |event: UnsignedEvent| rig.post(rig.sign(event).encoded()).code();
    let other = UnsignedEvent {
        network: NetworkId::new([9; 16]),
        ..rig.record()
    };
    assert_eq!(post(other), "wrong-network");
    let past = Time(Shared::clock().0 - MINUTE);
    assert_eq!(
        post(UnsignedEvent {
            not_after: past,
            ..rig.record()
        }),
        "stale"
    );
    let far = Shared::clock().plus_millis(60 * MINUTE);
    assert_eq!(
        post(UnsignedEvent {
            not_after: far,
            ..rig.record()
        }),
        "too-far-ahead"
    );
}

#[test]
fn a_stranger_a_strange_key_and_a_bad_signature_are_refused() {
    let rig = Rig::new();
    let stranger = UnsignedEvent {
        issuer: "nobody".parse().expect("a name"),
        ..rig.record()
    };
    assert_eq!(
        rig.post(rig.sign(stranger).encoded()).code(),
        "unknown-signer"
    );
    let other = SigningKey::from_seed(&[5; 32]);
    let event = rig.record().sign(&other).expect("signed");
    assert_eq!(rig.post(event.encoded()).code(), "unknown-signer");
    let event = rig.sign(rig.record());
    let mut broken = event.encoded().to_vec();
    *broken.last_mut().expect("bytes") ^= 1;
    assert_eq!(rig.post(&broken).code(), "bad-signature");
    // The broken copy does not stand in the way of the event itself, nor does it pass for it.
    assert_eq!(rig.anchor(&event).status, 200);
}

#[test]
fn a_rule_that_refuses_is_named_with_the_winner_and_its_receipt() {
    let rig = Rig::new();
    let lot = LotOpen {
        lot: LotHandle::new([1; 16]),
        commitment: commitment(),
    };
    let wrong_role = rig.anchor(&rig.sign(rig.unsigned(lot)));
    assert_eq!(
        (wrong_role.status, wrong_role.code().as_str()),
        (409, "rule-broken")
    );
    assert_eq!(wrong_role.json()["rule"], "signer.wrong-role");
    let first = rig.sign(rig.unsigned(record(200)));
    assert_eq!(rig.anchor(&first).status, 200);
    let second = rig.sign(rig.unsigned(record(200)));
    let lost = rig.anchor(&second);
    assert_eq!(lost.code(), "rule-broken");
    let problem = lost.json();
    assert_eq!(problem["rule"], "record.already-sealed");
    assert_eq!(problem["winner"], first.id().to_string());
    let receipt = problem["winner_receipt"].as_str().expect("a receipt");
    let policy = rig.layout.genesis.policy();
    medanchor_sdk::verify_receipt(policy, first.encoded(), receipt.as_bytes()).expect("holds");
    // Whoever asks later is told the same.
    assert_eq!(
        rig.get(&format!("/v1/events/{}", second.id())).code(),
        "rule-broken"
    );
}

/// Posts an event that is not anchored, until the node has judged it and says by which rule.
fn told(rig: &Rig, event: &Event) -> Answer {
    let start = Instant::now();
    loop {
        let answer = rig.anchor(event);
        if answer.json()["rule"].is_string() || start.elapsed() > PATIENCE {
            return answer;
        }
    }
}

#[test]
fn an_event_whose_turn_has_not_come_says_what_it_waits_for() {
    let rig = Rig::with(|config| config.http.wait_timeout_ms = 500);
    let consent = medanchor_ledger::ConsentHandle::new([1; 16]);
    let event = rig.sign(rig.unsigned(ConsentRevoke { consent }));
    let answer = told(&rig, &event);
    assert_eq!(answer.status, 202);
    let waiting = answer.json();
    assert_eq!(
        (&waiting["status"], &waiting["rule"]),
        (&"waiting".into(), &"consent.unknown".into())
    );
    assert_eq!(rig.get(&format!("/v1/events/{}", event.id())).status, 202);
}

/// The pool keeps what may still come true, and gives up at once what never can.
#[test]
fn a_prescription_waits_for_its_record_and_an_impossible_event_for_nothing() {
    let rig = Rig::with(|config| config.http.wait_timeout_ms = 500);
    let issue = rig.sign(rig.unsigned(PrescriptionIssue {
        prescription: PrescriptionHandle::new([50; 16]),
        record: record(50).record,
        token_key: SigningKey::from_seed(&[6; 32]).public_key(),
        lines: 1,
        expires: Shared::clock().plus_millis(60 * MINUTE),
    }));
    let answer = told(&rig, &issue);
    let rule = answer.json()["rule"].clone();
    assert_eq!(
        (answer.status, &rule),
        (202, &"prescription.unknown-record".into())
    );
    let dispensed = rig.sign(rig.unsigned(UnitDispense {
        maker: "nobody".parse().expect("a name"),
        units: Units::new([UnitHandle::new([1; 16])]).expect("a unit"),
    }));
    let impossible = told(&rig, &dispensed);
    assert_eq!(impossible.code(), "rule-broken");
    assert_eq!(impossible.json()["rule"], "unit.maker-unknown");
    // The record wakes the prescription, whose own post has long been answered.
    let sealed = rig.sign(rig.unsigned(record(50)));
    rig.anchor(&sealed);
    let receipt = format!("/v1/events/{}/receipt?wait=receipt", issue.id());
    let start = Instant::now();
    while rig.get(&receipt).status != 200 {
        assert!(start.elapsed() < PATIENCE, "it still waits");
    }
}

#[test]
fn a_batch_gives_each_event_its_own_result() {
    let rig = Rig::new();
    let good: Vec<Event> = (0..3).map(|_| rig.sign(rig.record())).collect();
    let mut broken = good[1].encoded().to_vec();
    *broken.last_mut().expect("bytes") ^= 1;
    let batch = [good[0].encoded(), &broken, good[2].encoded()].concat();
    let kind = "application/cbor-seq";
    let answer = rig.send("/v1/events/batch?wait=receipt", kind, &batch);
    assert_eq!(answer.status, 202);
    let answer = answer.json();
    assert_eq!(
        (answer["accepted"].as_u64(), answer["refused"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(answer["results"][0]["status"], "anchored");
    assert_eq!(answer["results"][1]["problem"]["code"], "bad-signature");
    let receipt = answer["results"][2]["receipt"].as_str().expect("a receipt");
    let policy = rig.layout.genesis.policy();
    medanchor_sdk::verify_receipt(policy, good[2].encoded(), receipt.as_bytes()).expect("holds");
    assert_eq!(rig.send("/v1/events/batch", kind, b"").code(), "malformed");
    let cut = &batch[..batch.len() - 3];
    assert_eq!(rig.send("/v1/events/batch", kind, cut).code(), "malformed");
}

#[test]
fn what_is_not_there_is_said_with_a_code() {
    let rig = Rig::new();
    assert_eq!(rig.get("/nothing").code(), "no-such-resource");
    assert_eq!(rig.get("/v1/events").code(), "method-not-allowed");
    assert_eq!(rig.get("/v1/events/xyz").code(), "malformed");
    assert_eq!(
        rig.get(&format!("/v1/events/{}", "ab".repeat(32))).code(),
        "not-found"
    );
    assert_eq!(rig.get("/v1/blocks/999999").code(), "not-found");
    for path in [
        "/v1/blocks/+1",
        "/v1/blocks/0001",
        "/v1/blocks/%ff",
        "/v1/events/%ff",
        "/v1/events/%ff/receipt",
        "/v1/state/%ff",
        "/tile/%ff",
        "/policies/%ff",
    ] {
        assert_eq!(rig.get(path).code(), "malformed", "{path}");
    }
    assert_eq!(rig.get("/tile/9/999").code(), "not-found");
    assert_eq!(rig.get("/tile/../../genesis").code(), "not-found");
    assert_eq!(
        rig.get(&format!("/policies/{}", "ab".repeat(32))).code(),
        "not-found"
    );
}

#[test]
fn the_published_log_is_served_as_tiles() {
    let rig = Rig::new();
    assert_eq!(rig.anchor(&rig.sign(rig.record())).status, 200);
    let checkpoint = rig.get("/checkpoint");
    assert_eq!(checkpoint.kind, "text/plain; charset=utf-8");
    let text = String::from_utf8(checkpoint.body).expect("text");
    let size: u64 = text
        .lines()
        .nth(1)
        .expect("a size")
        .parse()
        .expect("a number");
    let tile = rig.get(&format!("/tile/0/000.p/{size}"));
    assert_eq!((tile.status, tile.body.len() as u64), (200, size * 32));
    assert_eq!(rig.get(&format!("/tile/entries/000.p/{size}")).status, 200);
    assert_eq!(rig.get("/genesis").body, rig.layout.genesis.encoded());
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/certificates",
        "/cosignatures",
    ] {
        assert_eq!(rig.get(path).status, 200, "{path}");
    }
}

#[test]
fn the_stream_tells_of_blocks_and_checkpoints() {
    let rig = Rig::new();
    let address = rig.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
    write!(stream, "GET /v1/stream HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("a line"));
    assert!(lines.next().expect("a status").contains("200"));
    assert_eq!(rig.anchor(&rig.sign(rig.record())).status, 200);
    lines.find(|line| line == "event: block").expect("a block");
    lines
        .find(|line| line == "event: checkpoint")
        .expect("a checkpoint");
}

#[test]
fn who_asks_too_often_is_told_to_come_back() {
    let rig = Rig::with(|config| {
        config.http.requests_per_second = 1;
        config.http.request_burst = 2;
    });
    let refused = (0..10)
        .map(|_| rig.get("/health"))
        .find(|answer| answer.status == 429);
    let refused = refused.expect("one too many");
    assert_eq!(refused.code(), "rate-limited");
    assert!(refused.retry);
}

#[test]
fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let rig = Rig::with(|config| config.http.header_timeout_ms = 2_000);
    let address = rig.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: ")
        .expect("sent");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the node closes");
}

/// A connection on which a POST has been begun whose body does not come.
fn stalled_post(rig: &Rig, path: &str) -> TcpStream {
    let address = rig.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n\r\nx"
    )
    .expect("sent");
    stream
}

#[test]
fn bodies_that_do_not_come_keep_nobody_else_out() {
    let rig = Rig::with(|config| config.http.max_requests = 1);
    let _stalled: Vec<TcpStream> = (0..8)
        .map(|_| stalled_post(&rig, "/v1/events"))
        .chain((0..2).map(|_| stalled_post(&rig, "/v1/events/batch")))
        .collect();
    for path in ["/health", "/metrics", "/v1/status"] {
        assert_eq!(rig.get(path).status, 200, "{path}");
    }
    assert_eq!(rig.anchor(&rig.sign(rig.record())).status, 200);
}

#[test]
fn one_address_has_so_many_connections() {
    let rig = Rig::with(|config| config.http.max_connections_per_address = 2);
    // The first answer on the agent's own connection, which it keeps.
    assert_eq!(rig.get("/health").status, 200);
    let _second = stalled_post(&rig, "/v1/events");
    let address = rig.url.strip_prefix("http://").expect("an address");
    let mut third = TcpStream::connect(address).expect("connects");
    third.set_read_timeout(Some(PATIENCE)).expect("a bound");
    // Closed without a word, be it before or after the request is sent.
    let _ = write!(third, "GET /health HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut rest = Vec::new();
    let _ = third.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn a_request_whose_end_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let rig = Rig::new();
    let address = rig.url.strip_prefix("http://").expect("an address");
    let (length, chunked) = ("content-length: 4", "transfer-encoding: chunked");
    let framings = [
        format!("{length}\r\n{chunked}"),
        format!("{chunked}\r\n{length}"),
        format!("{length}\r\ntransfer-encoding: gzip, chunked"),
        format!("{length}\r\nTransfer-Encoding:\tchunked"),
        format!("{length}\r\ncontent-length: 5"),
        format!("transfer-encoding: gzip\r\n{length}"),
        format!("{chunked}\r\n{chunked}"),
        chunked.to_owned(),
    ];
    for framing in framings {
        for path in ["/v1/events", "/v1/events/batch"] {
            let mut stream = TcpStream::connect(address).expect("connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
            // To some the second request begins behind the first one's body, to others it is in it.
            let smuggled = format!("0\r\n\r\nGET /health HTTP/1.1\r\nhost: {address}\r\n\r\n");
            let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{framing}\r\n\r\n");
            stream
                .write_all(format!("{head}{smuggled}").as_bytes())
                .expect("sent");
            let mut answer = Vec::new();
            // Whoever has unread bytes when it closes resets the connection, after its answer.
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8(answer).expect("text");
            let status = answer.split(' ').nth(1).expect("an answer");
            assert!(["400", "411"].contains(&status), "{framing:?}: {answer}");
            assert_eq!(
                answer.matches("HTTP/1.1 ").count(),
                1,
                "{framing:?}: {answer}"
            );
        }
    }
}
