//! The description that a node gives of itself, held against what it really answers.

use crate::rig::{Answer, Rig, commitment, record};
use medanchor_ledger::ConsentHandle;
use medanchor_ledger::event::{ConsentRevoke, LotOpen};
use medanchor_ledger::rules::{Participant, Record};
use medanchor_ledger::{LotHandle, RecordHandle};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

type Seen = BTreeSet<(String, String, String)>;

/// Asks, and notes which of the documented answers came.
struct Asker<'r> {
    rig: &'r Rig,
    seen: RefCell<Seen>,
}

impl Asker<'_> {
    fn note(&self, method: &str, path: &str, answer: &Answer) {
        let template = self.rig.described().template(path).expect("described");
        let status = answer.status.to_string();
        let seen = (method.to_owned(), template.clone(), status);
        self.seen.borrow_mut().insert(seen);
    }

    fn get(&self, path: &str) -> Answer {
        let answer = self.rig.get(path);
        self.note("get", path, &answer);
        answer
    }

    fn get_as(&self, path: &str, accept: &str) -> Answer {
        let answer = self.rig.get_with(path, ("accept", accept));
        self.note("get", path, &answer);
        answer
    }

    fn get_from(&self, path: &str, first: u64) {
        let answer = self.rig.get_from(path, first);
        self.note("get", path, &answer);
    }

    fn post_chunked(&self, path: &str) {
        let kind = self.rig.described().takes(path)[0];
        let answer = self.rig.send_chunked(path, kind);
        assert_eq!(answer.code(), "length-required");
        self.note("post", path, &answer);
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        let template = self.rig.described().template(path).expect("described");
        let kinds = self.rig.described().takes(template);
        assert_eq!(kinds.len(), 1, "{path}");
        let answer = self.rig.send(path, kinds[0], body);
        self.note("post", path, &answer);
        answer
    }
}

/// What takes a node that is full, stopping or not ready yet; and what any request may meet.
fn is_of_a_node_in_need((_, path, status): &(String, String, String)) -> bool {
    let nothing_published = path == "/checkpoint" && status == "404";
    // The scenario of the witnesses has these.
    let of_a_publisher = path.contains("witnessed") && status == "200";
    nothing_published || of_a_publisher || matches!(status.as_str(), "429" | "503" | "default")
}

#[test]
fn every_described_answer_is_given_and_has_the_described_form() {
    let rig = Rig::with(|config| {
        config.http.wait_timeout_ms = 5_000;
        config.store.publish_interval_ms = 50;
        config.http.max_batch_bytes = 64 * 1024;
        config.state.kept_heights = 3;
    });
    let asker = Asker {
        rig: &rig,
        seen: RefCell::default(),
    };
    ask_for_events(&rig, &asker);
    ask_for_batches(&rig, &asker);
    ask_for_the_ledger(&rig, &asker);
    ask_for_proofs(&rig, &asker);
    ask_for_published_files(&asker);
    assert_eq!(
        follow(&rig),
        BTreeSet::from(["block".into(), "checkpoint".into()])
    );
    asker
        .seen
        .borrow_mut()
        .insert(("get".to_owned(), "/v1/stream".to_owned(), "200".to_owned()));
    let described = rig.described().answers();
    let seen = asker.seen.into_inner();
    let unseen: Vec<_> = described
        .iter()
        .filter(|answer| !is_of_a_node_in_need(answer))
        .filter(|answer| !seen.contains(*answer))
        .collect();
    assert!(unseen.is_empty(), "described and never given: {unseen:?}");
}

fn ask_for_events(rig: &Rig, asker: &Asker<'_>) {
    let event = rig.sign(rig.unsigned(record(1)));
    let id = event.id();
    let unknown = "ab".repeat(32);
    assert_eq!(
        asker.get(&format!("/v1/events/{unknown}/receipt")).status,
        404
    );
    assert_eq!(asker.get(&format!("/v1/events/{unknown}")).status, 404);
    let witnessed = |id: &dyn std::fmt::Display| format!("/v1/events/{id}/witnessed-receipt");
    assert_eq!(asker.get(&witnessed(&unknown)).status, 404);
    asker.get("/v1/events/no-id");
    assert_eq!(
        asker
            .post("/v1/events?wait=receipt", event.encoded())
            .status,
        200
    );
    assert_eq!(asker.get(&format!("/v1/events/{id}")).status, 200);
    assert_eq!(
        asker
            .get(&format!("/v1/events/{id}/receipt?wait=receipt"))
            .status,
        200
    );
    let unacceptable = asker.get_as(&format!("/v1/events/{id}/receipt"), "image/png");
    assert_eq!(unacceptable.status, 406);

    let waiting = rig.sign(rig.unsigned(ConsentRevoke {
        consent: ConsentHandle::new([1; 16]),
    }));
    let id = waiting.id();
    assert_eq!(
        asker
            .post("/v1/events?wait=receipt", waiting.encoded())
            .status,
        202
    );
    assert_eq!(asker.get(&format!("/v1/events/{id}")).status, 202);
    assert_eq!(asker.get(&format!("/v1/events/{id}/receipt")).status, 202);
    assert_eq!(asker.get(&witnessed(&id)).status, 202);
    let access = format!("/v1/events/{id}/access-receipt");
    assert_eq!(asker.get(&access).status, 202);

    let refused = rig.sign(rig.unsigned(record(1)));
    let id = refused.id();
    assert_eq!(
        asker
            .post("/v1/events?wait=receipt", refused.encoded())
            .status,
        409
    );
    assert_eq!(asker.get(&witnessed(&id)).status, 409);
    assert_eq!(asker.get(&format!("/v1/events/{id}")).status, 409);
    assert_eq!(asker.get(&format!("/v1/events/{id}/receipt")).status, 409);
    let access = format!("/v1/events/{id}/access-receipt");
    assert_eq!(asker.get(&access).status, 409);

    assert_eq!(asker.post("/v1/events", b"garbage").status, 400);
    assert_eq!(asker.post("/v1/events", &vec![0; 100_000]).status, 413);
    let mut forged = rig.sign(rig.unsigned(record(2))).encoded().to_vec();
    *forged.last_mut().expect("bytes") ^= 1;
    assert_eq!(asker.post("/v1/events", &forged).status, 403);
    let mut late = rig.unsigned(record(3));
    late.not_after.0 -= 60 * 60_000;
    assert_eq!(
        asker.post("/v1/events", rig.sign(late).encoded()).status,
        422
    );
    for path in ["/v1/events", "/v1/events/batch"] {
        assert_eq!(rig.send(path, "text/plain", b"x").status, 415);
        asker.post_chunked(path);
    }
}

fn ask_for_batches(rig: &Rig, asker: &Asker<'_>) {
    let good = rig.sign(rig.unsigned(record(10)));
    let lost = rig.sign(rig.unsigned(record(10)));
    let wrong_role = rig.sign(rig.unsigned(LotOpen {
        lot: LotHandle::new([1; 16]),
        commitment: commitment(),
    }));
    let early = rig.sign(rig.unsigned(ConsentRevoke {
        consent: ConsentHandle::new([2; 16]),
    }));
    let mut forged = rig.sign(rig.unsigned(record(11))).encoded().to_vec();
    *forged.last_mut().expect("bytes") ^= 1;
    let batch = [
        good.encoded(),
        lost.encoded(),
        wrong_role.encoded(),
        early.encoded(),
        &forged,
    ]
    .concat();
    let path = "/v1/events/batch?wait=receipt";
    let answer = asker.post(path, &batch).json();
    let statuses: Vec<&Value> = (0..5).map(|at| &answer["results"][at]["status"]).collect();
    assert_eq!(
        statuses,
        ["anchored", "refused", "refused", "pooled", "refused"]
    );
    assert_eq!(asker.post("/v1/events/batch", b"garbage").status, 400);
    let large = vec![0x80; 100_000];
    assert_eq!(asker.post("/v1/events/batch", &large).status, 413);
}

fn ask_for_the_ledger(rig: &Rig, asker: &Asker<'_>) {
    for height in ["0", "1"] {
        assert_eq!(asker.get(&format!("/v1/blocks/{height}")).status, 200);
    }
    assert_eq!(asker.get("/v1/blocks/99999999").status, 404);
    assert_eq!(asker.get("/v1/blocks/one").status, 400);
    let name = &rig.layout.nodes[0].name;
    let there = Participant::key(name);
    let absent = Record::key(name, &RecordHandle::new([0xee; 16]));
    for (key, has_value) in [(there, true), (absent, false)] {
        let answer = asker.get(&format!("/v1/state/{}", hex::encode(key.as_bytes())));
        assert_eq!(answer.json()["value"].is_string(), has_value);
    }
    assert_eq!(asker.get("/v1/state/zz").status, 400);
    assert_eq!(asker.get("/v1/status").status, 200);
    for path in ["/health", "/ready", "/metrics", "/openapi.json"] {
        assert_eq!(asker.get(path).status, 200);
    }
}

fn ask_for_proofs(rig: &Rig, asker: &Asker<'_>) {
    let name = &rig.layout.nodes[0].name;
    let request = rig.sign(rig.unsigned(crate::proofs::request(rig, 70, 70)));
    assert_eq!(rig.anchor(&request).status, 200);
    let access = format!("/v1/events/{}/access-receipt", request.id());
    assert_eq!(asker.get(&access).status, 200);
    for number in 71..76 {
        let event = rig.sign(rig.unsigned(record(number)));
        assert_eq!(rig.anchor(&event).status, 200);
    }
    assert_eq!(asker.get(&access).status, 410);
    assert_eq!(asker.get("/v1/events/no-id/access-receipt").status, 400);
    let unknown = format!("/v1/events/{}/access-receipt", "ab".repeat(32));
    assert_eq!(asker.get(&unknown).status, 404);
    let key = hex::encode(Participant::key(name).as_bytes());
    for (query, status) in [("", 200), ("?height=0", 410), ("?height=99999999", 404)] {
        let path = format!("/v1/state/{key}/proof{query}");
        assert_eq!(asker.get(&path).status, status, "{query}");
    }
    assert_eq!(asker.get("/v1/state/zz/proof").status, 400);
    let tag = "47".repeat(16);
    let history = format!("/v1/tags/{name}/{tag}/history");
    assert_eq!(asker.get(&history).status, 200);
    let wrong = format!("{history}?first=many");
    assert_eq!(asker.get(&wrong).status, 400);
}

fn ask_for_published_files(asker: &Asker<'_>) {
    assert_eq!(asker.get("/witnessed").status, 404);
    let checkpoint = String::from_utf8(asker.get("/checkpoint").body).expect("text");
    let size = checkpoint.lines().nth(1).expect("a size");
    for kind in ["0", "entries"] {
        assert_eq!(asker.get(&format!("/tile/{kind}/000.p/{size}")).status, 200);
    }
    assert_eq!(asker.get("/tile/7/999").status, 404);
    let policy = asker.get("/policy");
    let hash = medanchor_ledger::policy::Policy::parse(&policy.body)
        .expect("a policy")
        .hash();
    assert_eq!(asker.get(&format!("/policies/{hash}")).status, 200);
    assert_eq!(
        asker.get(&format!("/policies/{}", "ab".repeat(32))).status,
        404
    );
    assert_eq!(asker.get("/policies/none").status, 400);
    assert_eq!(asker.get("/genesis").status, 200);
    assert_eq!(asker.get("/policy-chain").status, 200);
    for (query, status) in [("from=1", 200), ("from=0", 400), ("from=1&to=999999", 404)] {
        let path = format!("/v1/consistency?{query}");
        assert_eq!(asker.get(&path).status, status);
    }
    let unacceptable = asker.get_as("/v1/consistency?from=1", "image/png");
    assert_eq!(unacceptable.status, 406);
    for path in ["/certificates", "/cosignatures"] {
        assert_eq!(asker.get(path).status, 200);
        asker.get_from(path, 1);
        asker.get_from(path, 1 << 40);
    }
}

/// Reads the stream until both kinds of notices came, each in its described form.
fn follow(rig: &Rig) -> BTreeSet<String> {
    let address = rig.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream
        .set_read_timeout(Some(crate::rig::PATIENCE))
        .expect("a bound");
    write!(stream, "GET /v1/stream HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines
        .find(|line| {
            line.to_lowercase()
                .starts_with("content-type: text/event-stream")
        })
        .expect("a stream");
    let event = rig.sign(rig.unsigned(record(20)));
    assert_eq!(rig.anchor(&event).status, 200);
    let mut kinds = BTreeSet::new();
    while kinds.len() < 2 {
        let line = lines.next().expect("a line");
        let Some(kind) = line.strip_prefix("event: ") else {
            continue;
        };
        let notice = match kind {
            "block" => "BlockNotice",
            _ => "CheckpointNotice",
        };
        let text = lines.next().expect("a line");
        let text = text.strip_prefix("data: ").expect("its data");
        let value: Value = serde_json::from_str(text).expect("JSON");
        let schema = rig.described().schema(notice);
        assert_eq!(rig.described().has_form(&value, schema, kind), Ok(()));
        kinds.insert(kind.to_owned());
    }
    kinds
}
