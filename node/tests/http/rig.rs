//! A node of a network of one, and how the tests ask it: every answer is held against the description
//! that the node gives of itself.

use crate::description::Description;
use medanchor_ledger::event::{Event, EventBody, LotOpen, RecordSeal, UnsignedEvent};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{
    CiphertextHash, ClassHandle, Commitment, KeyCheck, LotHandle, Nonce, RecordHandle, Tag,
    TreeHash, VaultPartHash,
};
use medanchor_node::chain::Shared;
use medanchor_node::config::Config;
use medanchor_node::network::{Founding, Institution, Layout, NodeHome, Part, Ports};
use medanchor_node::process::NodeProcess;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const MINUTE: u64 = 60_000;

/// A node of a network of one, a hospital, and what it takes to post there.
pub struct Rig {
    // Stopped before its folder goes.
    node: NodeProcess,
    pub layout: Layout,
    pub url: String,
    key: SigningKey,
    next: AtomicU8,
    agent: ureq::Agent,
    described: Description,
    _dir: TempDir,
}

/// An answer: status, content type, body, and whether it says when to come back.
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub retry: bool,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The code of a problem document.
    pub fn code(&self) -> String {
        assert_eq!(
            self.kind,
            "application/problem+json",
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().expect("a code").to_owned()
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let hospital = Institution {
            name: "north-hospital".parse().expect("a name"),
            roles: vec![medanchor_ledger::rules::Role::Hospital],
            part: Part::Validator,
        };
        let founding = Founding {
            name: "test".parse().expect("a name"),
            institutions: vec![hospital],
            publisher: None,
            ports: Ports::Free,
            time: Shared::clock(),
        };
        let layout = founding.found(dir.path()).expect("founded");
        let home = &layout.nodes[0].home;
        let mut config = Config::read(&home.config()).expect("a configuration");
        change(&mut config);
        std::fs::write(home.config(), config.documented()).expect("written");
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_medanchor"));
        let node = NodeProcess::start(&binary, home, &[], PATIENCE).expect("listens");
        let url = node.addresses().expect("listens").url();
        let key = identity_key(&layout.nodes[0]);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            // The node closes a connection that was idle for five seconds: none is asked again by then.
            .max_idle_age(Duration::from_secs(2))
            .build()
            .into();
        let description = agent_get(&agent, &url, "/openapi.json", None);
        let described = Description::new(description.json());
        Self {
            node,
            layout,
            url,
            key,
            next: AtomicU8::new(1),
            agent,
            described,
            _dir: dir,
        }
    }

    /// Stops the node in order and starts it again.
    pub fn start_again(&mut self) {
        self.node.ask_to_stop();
        self.node.wait(PATIENCE).expect("the node ends");
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_medanchor"));
        let home = &self.layout.nodes[0].home;
        self.node = NodeProcess::start(&binary, home, &[], PATIENCE).expect("listens");
        self.url = self.node.addresses().expect("listens").url();
    }

    pub fn unsigned(&self, body: impl Into<EventBody>) -> UnsignedEvent {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        UnsignedEvent {
            issuer: self.layout.nodes[0].name.clone(),
            network: self.layout.genesis.network_id(),
            nonce: Nonce::new([number; 16]),
            not_after: Shared::clock().plus_millis(10 * MINUTE),
            body: body.into(),
        }
    }

    pub fn record(&self) -> UnsignedEvent {
        let unsigned = self.unsigned(LotOpen {
            lot: LotHandle::new([0; 16]),
            commitment: commitment(),
        });
        let [number, ..] = *unsigned.nonce.as_bytes();
        UnsignedEvent {
            body: record(number).into(),
            ..unsigned
        }
    }

    pub fn sign(&self, event: UnsignedEvent) -> Event {
        event.sign(&self.key).expect("signed")
    }

    pub fn send(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let sent = self
            .agent
            .post(format!("{}{path}", self.url))
            .content_type(kind)
            .send(body);
        self.checked("post", path, read(sent.expect("an answer")))
    }

    /// Sends a body of which nobody says in advance how long it is; all at once, since the node closes
    /// the connection on it.
    pub fn send_chunked(&self, path: &str, kind: &str) -> Answer {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}");
        let body = "1\r\nx\r\n0\r\n\r\n";
        let request = format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        // Whoever has unread bytes when it closes resets the connection, after its answer.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).expect("a status");
        let kind = head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        let answer = Answer {
            status: status.parse().expect("a number"),
            kind: kind.unwrap_or_default().to_owned(),
            retry: false,
            body: body.into(),
        };
        self.checked("post", path, answer)
    }

    pub fn post(&self, body: &[u8]) -> Answer {
        self.send("/v1/events", "application/cose", body)
    }

    pub fn anchor(&self, event: &Event) -> Answer {
        self.send(
            "/v1/events?wait=receipt",
            "application/cose",
            event.encoded(),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.checked("get", path, agent_get(&self.agent, &self.url, path, None))
    }

    /// With a header.
    pub fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        let answer = agent_get(&self.agent, &self.url, path, Some(header));
        self.checked("get", path, answer)
    }

    /// `Range: bytes=FIRST-`.
    pub fn get_from(&self, path: &str, first: u64) -> Answer {
        let range = format!("bytes={first}-");
        self.get_with(path, ("range", &range))
    }

    /// The node's own description of itself.
    pub const fn described(&self) -> &Description {
        &self.described
    }

    /// Every answer of every test is one that the description allows.
    fn checked(&self, method: &str, path: &str, answer: Answer) -> Answer {
        let judged = self.described.judge(method, path, &answer);
        assert_eq!(judged, Ok(()), "{method} {path}");
        answer
    }
}

fn agent_get(agent: &ureq::Agent, url: &str, path: &str, header: Option<(&str, &str)>) -> Answer {
    let request = agent.get(format!("{url}{path}"));
    let request = match header {
        None => request,
        Some((name, value)) => request.header(name, value),
    };
    read(request.call().expect("an answer"))
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let header = |name: &str| {
        let value = response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (kind, retry) = (header("content-type"), !header("retry-after").is_empty());
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_vec().expect("a body");
    Answer {
        status,
        kind,
        retry,
        body,
    }
}

fn identity_key(node: &NodeHome) -> SigningKey {
    let line = std::fs::read_to_string(node.home.identity().join("key")).expect("a key");
    let digits = line.split_whitespace().last().expect("digits");
    let mut seed = [0; 32];
    hex::decode_to_slice(digits, &mut seed).expect("a seed");
    SigningKey::from_seed(&seed)
}

pub fn commitment() -> Commitment {
    Commitment::new(TreeHash::new([7; 32]))
}

pub fn record(number: u8) -> RecordSeal {
    RecordSeal {
        record: RecordHandle::new([number; 16]),
        version: 1,
        tag: Tag::new([number; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(),
        ciphertext: CiphertextHash::new([2; 32]),
        vault_part: VaultPartHash::new([3; 32]),
        key_check: KeyCheck::new([4; 16]),
    }
}
