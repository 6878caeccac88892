//! The frozen files of `vectors/direct`: statements, requests for releases, deals that are posted together. Good ones are the very
//! bytes that we make, and each rejected one is refused for its own reason.
//!
//! `cargo test -p medanchor-sdk --test direct_vectors -- --ignored` writes them anew.

use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::KemSuite;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{NetworkId, Nonce, RequestHandle, Time, TlsKeyHash};
use medanchor_sdk::custody::{AccessKind, ReleaseAsk, read_messages, write_messages};
use medanchor_sdk::direct::{Ask, Expected, Statement};
use medanchor_vault::custody::{Deal, OpeningKey, Signed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const NOW: Time = Time(1_800_000_000_000);
const CHANNEL: TlsKeyHash = TlsKeyHash::new([2; 32]);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/direct")
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn release_ask(kind: AccessKind, suite: KemSuite) -> ReleaseAsk {
    let key = OpeningKey::decode(suite, &[0x77; 32]).expect("a key");
    ReleaseAsk {
        kind,
        request: RequestHandle::new([3; 16]),
        reader: key.public().clone(),
    }
}

fn statement(ask: Ask, body: Vec<u8>) -> Statement {
    Statement {
        network: NetworkId::new([1; 16]),
        from: "south-hospital".parse().expect("a name"),
        to: "archive".parse().expect("a name"),
        channel: CHANNEL,
        time: NOW,
        nonce: Nonce::new([4; 16]),
        ask,
        body,
    }
}

fn release_statement() -> Statement {
    let ask = release_ask(AccessKind::Request, KemSuite::X25519);
    statement(Ask::Release, ask.encode())
}

/// What the archive says of a statement that asks for a release; nothing if it takes it.
fn refusal(bytes: &[u8]) -> Option<String> {
    let to = "archive".parse().expect("a name");
    let expected = Expected {
        network: NetworkId::new([1; 16]),
        to: &to,
        channel: CHANNEL,
        now: NOW,
        ask: Ask::Release,
    };
    let verified = Statement::verify(bytes, &expected, |from, id| {
        let known = signer().public_key();
        (from.as_str() == "south-hospital" && *id == known.id()).then_some(known)
    });
    verified.err().map(|error| error.to_string())
}

fn good() -> BTreeMap<String, Vec<u8>> {
    let asks = [
        ("request-x25519", AccessKind::Request, KemSuite::X25519),
        ("break-glass-xwing", AccessKind::BreakGlass, KemSuite::XWing),
    ];
    let asks = asks.map(|(name, kind, suite)| {
        let name = format!("good-release-ask-{name}.cbor");
        (name, release_ask(kind, suite).encode())
    });
    let statement = release_statement().sign(&signer());
    let mut files = BTreeMap::from(asks);
    files.insert("good-statement-release.cbor".into(), statement);
    files.insert("good-deals.cbor".into(), deals());
    files
}

/// Two deals in one list, as they are posted together.
fn deals() -> Vec<u8> {
    let deal = |suite| {
        let file = format!("../vectors/custody/good-deal-{suite}.cbor");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        Signed::<Deal>::decode(&std::fs::read(path).expect("a file")).expect("a deal")
    };
    write_messages(&["x25519", "xwing"].map(deal))
}

fn rejected_deals() -> BTreeMap<&'static str, Vec<u8>> {
    let good = deals();
    let mut writer = Writer::new();
    writer.array(257);
    for _ in 0..257 {
        writer.bytes(&[]);
    }
    BTreeMap::from([
        ("none", vec![0x80]),
        ("too-many", writer.into_bytes()),
        ("one-missing", changed(&good, 0, 0x83)),
        ("trailing", [good.as_slice(), &[0]].concat()),
        ("truncated", good[..good.len() - 1].to_vec()),
    ])
}

fn changed(bytes: &[u8], at: usize, to: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] = to;
    changed
}

/// Rejected statements, with what is said of them.
fn rejected_statements() -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
    let good = release_statement().sign(&signer());
    let with = |change: fn(&mut Statement)| {
        let mut statement = release_statement();
        change(&mut statement);
        statement.sign(&signer())
    };
    let last = good.len() - 1;
    BTreeMap::from([
        (
            "other-network",
            (
                with(|s| s.network = NetworkId::new([9; 16])),
                "is for network",
            ),
        ),
        (
            "other-receiver",
            (
                with(|s| s.to = "bar".parse().expect("a name")),
                "made out to somebody else",
            ),
        ),
        (
            "other-channel",
            (
                with(|s| s.channel = TlsKeyHash::new([9; 32])),
                "another TLS key",
            ),
        ),
        (
            "other-ask",
            (with(|s| s.ask = Ask::Erase), "something else"),
        ),
        (
            "of-yesterday",
            (
                with(|s| s.time = Time(NOW.0 - 86_400_000)),
                "two minutes off",
            ),
        ),
        (
            "under-another-name",
            (
                with(|s| s.from = "bar".parse().expect("a name")),
                "no such participant",
            ),
        ),
        (
            "key-not-registered",
            (
                release_statement().sign(&SigningKey::from_seed(&[8; 32])),
                "no such participant has registered this key",
            ),
        ),
        (
            "body-swapped",
            (changed(&good, last, good[last] ^ 1), "the body is not"),
        ),
        (
            "trailing",
            ([good.as_slice(), &[0]].concat(), "cannot be decoded"),
        ),
        ("truncated", (good[..last].to_vec(), "cannot be decoded")),
        ("five-items", (changed(&good, 0, 0x85), "cannot be decoded")),
    ])
}

fn rejected_asks() -> BTreeMap<&'static str, Vec<u8>> {
    let good = release_ask(AccessKind::Request, KemSuite::X25519).encode();
    BTreeMap::from([
        ("unknown-kind", changed(&good, 2, 3)),
        ("unknown-suite", changed(&good, 22, 3)),
        ("suite-of-other-length", changed(&good, 22, 2)),
        ("trailing", [good.as_slice(), &[0]].concat()),
        ("truncated", good[..good.len() - 1].to_vec()),
    ])
}

fn rejected() -> BTreeMap<String, Vec<u8>> {
    let statements = rejected_statements()
        .into_iter()
        .map(|(name, (bytes, _))| (format!("rejected-statement-{name}.cbor"), bytes));
    let asks = rejected_asks()
        .into_iter()
        .map(|(name, bytes)| (format!("rejected-release-ask-{name}.cbor"), bytes));
    let deals = rejected_deals()
        .into_iter()
        .map(|(name, bytes)| (format!("rejected-deals-{name}.cbor"), bytes));
    statements.chain(asks).chain(deals).collect()
}

#[test]
fn the_files_are_the_bytes_that_we_make_and_none_is_unknown() {
    let all: BTreeMap<_, _> = good().into_iter().chain(rejected()).collect();
    for entry in std::fs::read_dir(folder()).expect("a folder") {
        let name = entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("text");
        assert!(all.contains_key(&name), "{name}");
    }
    for (name, bytes) in all {
        let file = std::fs::read(folder().join(&name)).expect("a file");
        assert_eq!(hex::encode(file), hex::encode(bytes), "{name}");
    }
}

#[test]
fn good_files_are_taken_and_rejected_ones_refused_each_for_its_reason() {
    let good = good();
    assert_eq!(refusal(&good["good-statement-release.cbor"]), None);
    for (name, (bytes, words)) in rejected_statements() {
        let said = refusal(&bytes).unwrap_or_default();
        assert!(said.contains(words), "{name}: {said}");
    }
    for (name, bytes) in good.iter().filter(|(name, _)| name.contains("-ask-")) {
        let read = ReleaseAsk::decode(bytes).map(|ask| ask.encode());
        assert_eq!(read.as_ref(), Ok(bytes), "{name}");
    }
    for (name, bytes) in rejected_asks() {
        assert!(ReleaseAsk::decode(&bytes).is_err(), "{name}");
    }
    let read = read_messages::<Deal>(&good["good-deals.cbor"]);
    assert_eq!(read.map(|deals| deals.len()), Ok(2));
    for (name, bytes) in rejected_deals() {
        assert!(read_messages::<Deal>(&bytes).is_err(), "{name}");
    }
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    std::fs::create_dir_all(folder()).expect("a folder");
    for (name, bytes) in good().into_iter().chain(rejected()) {
        std::fs::write(folder().join(name), bytes).expect("a file");
    }
}
