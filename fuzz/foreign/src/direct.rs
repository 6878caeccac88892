//! What participants read of each other off the ledger: statements, requests for releases, address
//! books, files of evidence.

use crate::seeds::{Seeds, root};
use crate::{Target, rewritten};
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{NetworkId, Size, Time, TlsKeyHash};
use medanchor_sdk::custody::ReleaseAsk;
use medanchor_sdk::direct::{AddressBook, Ask, Expected, Statement};
use medanchor_vault::custody::{Breach, EvidenceFile};
use std::sync::LazyLock;

const STATEMENTS: [Seeds; 2] = [
    Seeds::of("vectors/direct", "good-statement", ".cbor"),
    Seeds::of("vectors/direct", "rejected-statement", ".cbor"),
];
const ASKS: [Seeds; 2] = [
    Seeds::of("vectors/direct", "good-release-ask", ".cbor"),
    Seeds::of("vectors/direct", "rejected-release-ask", ".cbor"),
];
const BOOKS: [Seeds; 1] = [Seeds::of("vectors/address-book", "", ".toml")];
const EVIDENCE: [Seeds; 1] = [Seeds::of("vectors/custody-evidence", "", ".evidence")];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("direct-statement", &STATEMENTS, statement),
    Target::new("release-ask", &ASKS, release_ask).holding(64),
    Target::new("address-book", &BOOKS, address_book).holding(1024),
    Target::new("custody-evidence-file", &EVIDENCE, evidence_file).holding(64),
];

/// Whatever the archive takes was signed by the one key that it knows, as these very bytes.
fn statement(bytes: &[u8]) -> bool {
    let Ok(to) = "archive".parse() else {
        return false;
    };
    let expected = Expected {
        network: NetworkId::new([1; 16]),
        to: &to,
        channel: TlsKeyHash::new([2; 32]),
        now: Time(1_800_000_000_000),
        ask: Ask::Release,
    };
    let key = SigningKey::from_seed(&[7; 32]);
    let known = key.public_key();
    let read = Statement::verify(bytes, &expected, |from, id| {
        (from.as_str() == "south-hospital" && *id == known.id()).then_some(known)
    });
    let read = read.ok().map(|(statement, _)| statement);
    rewritten(bytes, read, |statement| statement.sign(&key)).is_some()
}

fn release_ask(bytes: &[u8]) -> bool {
    rewritten(bytes, ReleaseAsk::decode(bytes).ok(), ReleaseAsk::encode).is_some()
}

/// Entries come from those whom they name: each has an address that is asked over TLS, and a certificate
/// whose key can be held against the ledger's.
fn address_book(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    let path = folder.path().join("book.toml");
    std::fs::write(&path, bytes).expect("a file in a new folder");
    let Ok(book) = AddressBook::read(&path) else {
        return false;
    };
    for entry in book.iter() {
        assert!(entry.address.starts_with("https://"));
        assert!(entry.key_hash().is_some(), "a certificate without a key");
        assert_eq!(book.get(&entry.name), Some(entry));
    }
    book.iter().count() > 0
}

/// The policies of the networks that the files are of.
static POLICIES: LazyLock<[PolicyRange; 3]> = LazyLock::new(|| {
    ["policy", "policy-of-sealings", "policy-of-logs"].map(|name| {
        let file = std::fs::read(root().join("vectors/custody-evidence").join(name));
        let policy = Policy::parse(&file.expect("a frozen file")).expect("a frozen policy");
        PolicyRange::from(policy, Size(0))
    })
});

/// Whatever convicts convicts those who cheat in the frozen files.
fn evidence_file(bytes: &[u8]) -> bool {
    let read = rewritten(bytes, EvidenceFile::decode(bytes).ok(), |file| {
        file.encode().to_vec()
    });
    let verdict = read.and_then(|file| POLICIES.iter().find_map(|policy| file.verify(policy).ok()));
    let Some(convicted) = verdict else {
        return false;
    };
    let known = matches!(
        (convicted.who.as_str(), convicted.of),
        (
            "river-distribution",
            Breach::BadRelease
                | Breach::TwoReleases
                | Breach::ReleasedDenied
                | Breach::ReleasedOther
                | Breach::ReleasedEarly
        ) | (
            "north-hospital",
            Breach::BadVaultRelease
                | Breach::WrongKeyCheck
                | Breach::WrongPayload
                | Breach::WrongCommitment
                | Breach::Refused
                | Breach::RefusedFalsely
        )
    );
    assert!(known, "an innocent is convicted");
    true
}
