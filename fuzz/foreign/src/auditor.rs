//! What the auditor reads beside the log itself: observations, attestations, populations, files of records.

use crate::custody::LOGS;
use crate::facts::NETWORK;
use crate::inspection::ITEMS;
use crate::{Choices, Seeds, Target, rewritten};
use medanchor_audit::testing;
use medanchor_ledger::Size;
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::draw::item_leaf;
use medanchor_ledger::items::{HEADER, OpenItem};
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::{Frontier, leaf_hash, root_of_leaves};
use std::collections::BTreeSet;

/// The longest record here: as long as a certificate may be would only hold more memory.
const LONGEST: usize = 4096;

const OBSERVATIONS: Seeds = Seeds::of("vectors/observation", "", ".observation");
const ATTESTATIONS: Seeds = Seeds::of("vectors/attestation", "", ".attestation");
/// Two frozen certificates behind each other, and each cut off.
const RECORDS: Seeds = Seeds::of("vectors/certificate", "good", ".cbor").holding(|_, bytes| {
    let mut framed = framed(&bytes);
    framed.extend(self::framed(&bytes));
    let cut = framed.get(..framed.len() - 1).unwrap_or_default().to_vec();
    vec![framed, cut]
});

const BUNDLES: [Seeds; 2] = [
    Seeds::of("vectors/tiles", "good-tile-ent", ".bin"),
    Seeds::of("vectors/tiles", "rejected-bundle", ".bin"),
];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("observation", &[OBSERVATIONS], observation),
    Target::new("attestation", &[ATTESTATIONS], attestation),
    Target::new("population", &[ITEMS], population),
    Target::new("records", &[RECORDS], records),
    Target::new("bundle-entries", &BUNDLES, entries).holding(32),
    Target::new("release-log", &LOGS, release_log).holding(32),
];

fn observation(bytes: &[u8]) -> bool {
    rewritten(bytes, testing::observation(bytes), Clone::clone).is_some()
}

fn attestation(bytes: &[u8]) -> bool {
    rewritten(bytes, testing::attestation(bytes), Clone::clone).is_some()
}

/// A population is what its lines say, no more and no less.
fn population(bytes: &[u8]) -> bool {
    let wanted: BTreeSet<u64> = [0, 1, 4, u64::MAX].into();
    let Some(read) = testing::population(bytes, &wanted) else {
        return false;
    };
    let text = std::str::from_utf8(bytes).expect("what was read is text");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let items: Vec<OpenItem> = lines
        .map(|line| line.parse().expect("an item in each line"))
        .collect();
    let places: Vec<u64> = items.iter().map(|item| item.place).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "places ascend");
    assert_eq!(read.count, items.len() as u64);
    let shown = places.iter().filter(|place| wanted.contains(place));
    assert!(shown.eq(&read.shown), "the wanted places that there are");
    if let Some(root) = read.root {
        let mut whole = Frontier::new();
        items
            .iter()
            .for_each(|item| whole.append(item_leaf(&item.commitment())));
        assert_eq!(whole.root(), root);
        assert!((0..).zip(&places).all(|(at, place)| at == *place));
    }
    read.count > 0
}

/// The records and what is left behind them are the file.
fn records(bytes: &[u8]) -> bool {
    let Some(read) = testing::records(bytes, LONGEST) else {
        return false;
    };
    let mut written = Vec::new();
    for (position, record) in &read.records {
        assert_eq!(*position, written.len() as u64);
        assert!((1..=LONGEST).contains(&record.len()));
        written.extend(framed(record));
    }
    let rest = bytes.strip_prefix(written.as_slice());
    let rest = rest.expect("the file begins with its records");
    assert_eq!(rest.is_empty(), !read.incomplete_tail);
    // What is left is less than its length says.
    let mut choices = Choices(rest);
    if rest.len() >= 4 {
        let length = (0..4).fold(0, |all, _| all << 8 | usize::from(choices.byte()));
        assert!(rest.len() - 4 < length, "a whole record was passed over");
    }
    !read.records.is_empty()
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), record].concat()
}

/// A bundle of entries that lies in a folder beside the log's own: its entries are those that the
/// ledger's reader finds, and what is left is no whole one.
fn entries(bytes: &[u8]) -> bool {
    let (entries, rest) = testing::entries(bytes);
    let mut written = Vec::new();
    for entry in &entries {
        let length = u16::try_from(entry.len()).expect("16 bits say how long");
        written.extend(length.to_be_bytes());
        written.extend(*entry);
    }
    assert_eq!([&written, rest].concat(), bytes);
    for count in [1, entries.len().min(256)] {
        let id = BundleId::at(0, Size(count as u64));
        let read = id.and_then(|id| read_entries(id, bytes).ok());
        assert!(read.is_none_or(|read| entries.starts_with(&read)));
    }
    !entries.is_empty()
}

/// Written again as one page, it is the same log.
fn release_log(bytes: &[u8]) -> bool {
    let Some(read) = testing::release_log(bytes, NETWORK) else {
        return false;
    };
    let encoded: Vec<_> = read.iter().map(|entry| entry.encode()).collect();
    let mut page = Writer::new();
    page.array(3).uint(read.len() as u64);
    let root = root_of_leaves(encoded.iter().map(|entry| leaf_hash(entry)));
    page.bytes(root.as_bytes()).array(read.len());
    for entry in &encoded {
        page.bytes(entry);
    }
    let again = testing::release_log(&page.into_bytes(), NETWORK);
    assert_eq!(again.as_ref(), Some(&read), "one log, two meanings");
    !read.is_empty()
}
