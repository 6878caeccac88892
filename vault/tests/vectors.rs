//! The frozen files of `vectors/payload` and `vectors/disclosure`: good ones are read, and each
//! rejected one is refused for its own reason. A file that no line here names fails the test.

use medanchor_ledger::cbor::CborFault;
use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::seal::open;
use medanchor_vault::secret::{DataKey, RecordSecret};
use medanchor_vault::{
    Commitment, Committed, Disclosure, DisclosureError, Document, OpenError, Pointer,
    RecordVersion, Shown, Token,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors")
        .join(format)
}

fn file(format: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder(format).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of the rejected files, without `rejected-` and their ending.
fn rejected(format: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(format)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let middle = |name: String| {
        Some(
            name.strip_prefix("rejected-")?
                .rsplit_once('.')?
                .0
                .to_owned(),
        )
    };
    names.filter_map(middle).collect()
}

fn record() -> RecordVersion {
    RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        version: 3,
    }
}

#[test]
fn good_payloads_open() {
    let opened = |name: &str| {
        open(&record(), &DataKey::new([4; 32]), &file("payload", name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(opened("good-empty.sealed").is_empty());
    assert_eq!(
        *opened("good-short.sealed"),
        file("payload", "good-short.plain")
    );
    assert_eq!(*opened("good-two-chunks.sealed"), [7; 65_537]);
}

#[test]
fn rejected_payloads_are_refused_each_for_its_reason() {
    let swapped = |found| OpenError::Swapped { found };
    let altered = OpenError::Altered { chunk: 0 };
    let cases = [
        ("other-magic", OpenError::Format),
        ("other-suite", OpenError::Format),
        ("other-chunk-size", OpenError::Format),
        ("reserved-not-zero", OpenError::Format),
        (
            "other-record",
            swapped(RecordVersion {
                record: RecordHandle::new([9; 16]),
                ..record()
            }),
        ),
        (
            "other-version",
            swapped(RecordVersion {
                version: 4,
                ..record()
            }),
        ),
        (
            "other-network",
            swapped(RecordVersion {
                network: NetworkId::new([9; 16]),
                ..record()
            }),
        ),
        ("header-cut", OpenError::HeaderTruncated),
        ("tag-cut", OpenError::HeaderTruncated),
        ("last-byte-cut", altered),
        ("byte-appended", altered),
        ("bit-flipped", altered),
        ("salt-changed", altered),
        ("last-chunk-cut", OpenError::Truncated { chunk: 0 }),
    ];
    for (name, reason) in &cases {
        let sealed = file("payload", &format!("rejected-{name}.sealed"));
        assert_eq!(
            open(&record(), &DataKey::new([4; 32]), &sealed).err(),
            Some(*reason),
            "{name}"
        );
    }
    assert_eq!(
        rejected("payload"),
        cases.iter().map(|(name, _)| (*name).to_owned()).collect()
    );
}

fn commitment() -> Commitment {
    let text = String::from_utf8(file("disclosure", "commitment.hex")).unwrap();
    Commitment::try_from(&hex::decode(text.trim()).unwrap()[..]).unwrap()
}

fn read(name: &str) -> Result<Shown, DisclosureError> {
    Disclosure::decode(&file("disclosure", name))?.verify(&commitment())
}

#[test]
fn good_disclosures_are_the_very_bytes_that_we_make() {
    let document = Document::parse(&file("disclosure", "document.json")).unwrap();
    let committed = Committed::new(&document, &RecordSecret::new([7; 32]));
    assert_eq!(committed.commitment(), commitment());
    let noted = [Pointer::new(vec![Token::Name("noted".into())])];
    let cases: [(&str, &[&str], &[Pointer]); 4] = [
        ("good-one-field.cbor", &["/resourceType"], &[]),
        ("good-branch.cbor", &["/dose"], &[]),
        ("good-everything.cbor", &[""], &[]),
        ("good-absent.cbor", &[], &noted),
    ];
    for (name, shown, absent) in cases {
        assert_eq!(
            committed.disclose(shown, absent).unwrap().encode(),
            file("disclosure", name),
            "{name}"
        );
        let read = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(absent.iter().all(|pointer| read.absent(pointer)), "{name}");
    }
}

#[test]
fn rejected_disclosures_are_refused_each_for_its_reason() {
    let unproven = [
        "field-shown-and-named",
        "other-count",
        "other-place",
        "number-shortened",
        "number-as-string",
        "proof-short",
        "proof-long",
    ];
    let malformed = [
        ("leaf-0", CborFault::Range),
        ("leaf-0-named", CborFault::Range),
        ("fields-exchanged", CborFault::Order),
        ("field-twice", CborFault::Order),
        ("other-suite", CborFault::Value),
        ("count-0", CborFault::Range),
        ("count-too-large", CborFault::Range),
        ("place-beyond-count", CborFault::Range),
        ("number-malformed", CborFault::Value),
        ("unknown-type", CborFault::Value),
        ("string-not-utf8", CborFault::Value),
        ("proof-hash-short", CborFault::Size),
        ("trailing-byte", CborFault::Trailing),
        ("truncated", CborFault::Truncated),
        ("head-not-minimal", CborFault::NotMinimal),
        ("keys-exchanged", CborFault::Key { wanted: 1 }),
    ];
    let reason = |name: &str| read(&format!("rejected-{name}.cbor")).err();
    for name in unproven {
        assert_eq!(reason(name), Some(DisclosureError::Unproven), "{name}");
    }
    for (name, fault) in malformed {
        let found = reason(name);
        assert!(
            matches!(&found, Some(DisclosureError::Malformed(error)) if error.fault == fault),
            "{name}: {found:?}"
        );
    }
    assert_eq!(reason("nothing-shown"), Some(DisclosureError::Amount));
    let named = unproven
        .into_iter()
        .chain(malformed.map(|(name, _)| name))
        .chain(["nothing-shown"]);
    assert_eq!(rejected("disclosure"), named.map(str::to_owned).collect());
}
