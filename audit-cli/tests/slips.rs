//! `slips`: what an institution signed when it opened a record in an emergency convicts a journal that lacks
//! it.

mod support;

use medanchor_ledger::event::{
    AccessEmergency, EmergencyJournal, EventBody, JournalKeyKind, RecordSeal,
};
use medanchor_ledger::slip::{Slip, entry_bytes};
use medanchor_ledger::*;
use support::{Built, PARTICIPANT, audit, key, name};

const HOSPITAL: u8 = 1;

fn seal() -> EventBody {
    let sealed = RecordSeal {
        record: RecordHandle::new([1; 16]),
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: Commitment::new(TreeHash::new([1; 32])),
        ciphertext: CiphertextHash::new([1; 32]),
        vault_part: VaultPartHash::new([1; 32]),
        key_check: KeyCheck::new([1; 16]),
    };
    sealed.into()
}

fn entry(counter: u64, previous: JournalHead, byte: u8) -> AccessEmergency {
    AccessEmergency {
        counter,
        record: RecordHandle::new([1; 16]),
        version: 1,
        claimed: Time(7),
        previous,
        commitment: Commitment::new(TreeHash::new([byte; 32])),
    }
}

const fn stated(counter: u64, head: JournalHead, lost: u64) -> EmergencyJournal {
    EmergencyJournal {
        counter,
        head,
        key_kind: JournalKeyKind::File,
        lost,
    }
}

/// A ledger with entry 1, and entries 2 and 3 lost.
fn ledger() -> (Built, AccessEmergency) {
    let mut built = Built::new("slips.medanchor.example");
    let first = entry(1, JournalHead::EMPTY, 1);
    let events = [
        seal(),
        stated(0, JournalHead::EMPTY, 0).into(),
        first.clone().into(),
        stated(3, JournalHead::new([3; 32]), 2).into(),
    ];
    for event in events {
        built.block_of(vec![(HOSPITAL, event)]);
    }
    (built, first)
}

fn slip(built: &Built, counter: u64, head: JournalHead, signer: u8) -> String {
    let network = built.genesis.network_id();
    let message = entry_bytes(network, counter, &head);
    let slip = Slip {
        network,
        owner: name(HOSPITAL),
        counter,
        head,
        signature: key(signer, PARTICIPANT).sign(&message),
    };
    slip.to_string()
}

/// Exit code, JSON.
fn judged(built: &Built, slips: &[String]) -> (Option<i32>, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, file) = (folder.path().join("log"), folder.path().join("slips"));
    built.publish(&log);
    std::fs::write(&file, slips.join("\n\n")).expect("a file");
    let [log, file] = [log, file].map(|path| path.to_str().expect("text").to_owned());
    let output = audit(&["slips", "--log", &log, &file, "--json"]);
    let json = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code(), json)
}

#[test]
fn a_slip_of_an_anchored_entry_holds() {
    let (built, first) = ledger();
    let (code, json) = judged(&built, &[slip(&built, 1, first.head(), HOSPITAL)]);
    assert_eq!(
        (code, &json["verdict"]),
        (Some(0), &"good".into()),
        "{json}"
    );
    assert_eq!(json["slips"][0]["verdict"], "anchored");
}

#[test]
fn an_entry_that_a_slip_proves_and_the_ledger_lacks_is_named() {
    let (built, first) = ledger();
    let other = entry(1, JournalHead::EMPTY, 9).head();
    let slips = [
        (slip(&built, 1, other, HOSPITAL), "cut"),
        (slip(&built, 2, other, HOSPITAL), "lost"),
        (slip(&built, 3, other, HOSPITAL), "lost"),
        (slip(&built, 4, other, HOSPITAL), "lacking"),
        (slip(&built, 1, first.head(), 2), "unsigned"),
    ];
    for (line, verdict) in &slips {
        let (code, json) = judged(&built, std::slice::from_ref(line));
        assert_eq!((code, &json["verdict"]), (Some(1), &"bad".into()), "{json}");
        assert_eq!(json["slips"][0]["verdict"], *verdict, "{json}");
        assert_eq!(json["slips"][0]["slip"], *line);
    }
    let all: Vec<String> = slips.into_iter().map(|(line, _)| line).collect();
    let (code, json) = judged(&built, &all);
    assert_eq!(
        (code, json["slips"].as_array().map(Vec::len)),
        (Some(1), Some(5))
    );
    let mut elsewhere = Built::new("elsewhere.medanchor.example");
    elsewhere.block_of(vec![(HOSPITAL, seal())]);
    let (_, json) = judged(&elsewhere, &all[..1]);
    assert_eq!(json["slips"][0]["verdict"], "other-network");
}

/// A home was restored from a back-up at entry 1 and opened two records, of which the ledger had others by
/// then: mending numbers them anew. They were anchored, so their slips convict nobody.
#[test]
fn a_slip_of_an_entry_that_was_numbered_anew_holds() {
    let mut built = Built::new("slips.medanchor.example");
    let first = entry(1, JournalHead::EMPTY, 1);
    let second = entry(2, first.head(), 2);
    let old = entry(2, first.head(), 3);
    let older = entry(3, old.head(), 4);
    let never = entry(4, older.head(), 5);
    let anew = entry(3, second.head(), 3);
    let last = entry(4, anew.head(), 4);
    let events: [EventBody; 6] = [
        seal(),
        stated(0, JournalHead::EMPTY, 0).into(),
        first.clone().into(),
        second.into(),
        anew.into(),
        last.into(),
    ];
    for event in events {
        built.block_of(vec![(HOSPITAL, event)]);
    }
    // Nobody kept the slip of the one before.
    for kept in [&[&old, &older][..], &[&older]] {
        let slips = kept
            .iter()
            .map(|one| slip(&built, one.counter, one.head(), HOSPITAL));
        let (code, json) = judged(&built, &slips.collect::<Vec<_>>());
        assert_eq!(code, Some(0), "{json}");
        let verdicts = json["slips"].as_array().expect("slips").iter();
        assert!(verdicts.clone().count() == kept.len());
        assert!(
            verdicts
                .into_iter()
                .all(|one| one["verdict"] == "renumbered"),
            "{json}"
        );
    }
    let (code, json) = judged(&built, &[slip(&built, 4, never.head(), HOSPITAL)]);
    assert_eq!(
        (code, &json["slips"][0]["verdict"]),
        (Some(1), &"cut".into())
    );
}

/// What parted from the ledger and is gone: the statement has the head of the very entry.
#[test]
fn a_slip_of_an_entry_that_was_said_to_be_lost_under_a_later_number_is_lost() {
    let (mut built, first) = ledger();
    let gone = entry(2, first.head(), 9).head();
    built.block_of(vec![(HOSPITAL, stated(4, gone, 1).into())]);
    let (code, json) = judged(&built, &[slip(&built, 2, gone, HOSPITAL)]);
    assert_eq!(
        (code, &json["slips"][0]["verdict"]),
        (Some(1), &"lost".into())
    );
    assert_eq!(json["slips"][0]["entry"], 9, "{json}");
}

#[test]
fn a_line_that_was_copied_wrongly_is_no_verdict() {
    let (built, first) = ledger();
    let line = slip(&built, 1, first.head(), HOSPITAL).replace("slip/1", "slip/l");
    let (code, json) = judged(&built, &[line]);
    assert_eq!(
        (code, &json["verdict"]),
        (Some(3), &"none".into()),
        "{json}"
    );
}
