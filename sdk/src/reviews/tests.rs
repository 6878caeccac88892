//! What the list says, and that it says so when an opening is hidden from it.

use super::*;
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::rules::{Anchored, Decision};
use medanchor_ledger::{EventId, Index, RecordHandle};

fn open(byte: u8, due: u64) -> OpenReview {
    OpenReview {
        requester: "south-hospital".parse().unwrap(),
        request: RequestHandle::new([byte; 16]),
        opened: BreakGlass {
            requested: Anchored {
                event: EventId::new([byte; 32]),
                index: Index(u64::from(byte)),
            },
            decision: Decision::Permitted,
            time: Time(1),
            owner: "north-hospital".parse().unwrap(),
            record: RecordHandle::new([7; 16]),
            reader_key: ReaderKey {
                suite: KemSuite::X25519,
                hash: [8; 32],
            },
            review_by: Some(Time(due)),
            review: None,
        },
    }
}

fn list(found: u64) -> ReviewList {
    ReviewList {
        height: Height(9),
        time: Time(1_000),
        open: vec![open(1, 999), open(2, 1_001)],
        waiting: vec![Waiting {
            requester: "south-hospital".parse().unwrap(),
            proved: 2,
            found,
        }],
        age: 0,
    }
}

#[test]
fn what_is_late_is_said_to_be_and_what_is_hidden_too() {
    let whole = list(2);
    assert!(whole.is_whole());
    let text = whole.to_text();
    assert!(text.contains("2, of which 1 are OVERDUE"), "{text}");
    assert!(
        text.contains("OVERDUE since 1970-01-01T00:00:00.999Z"),
        "{text}"
    );
    assert!(
        text.contains("NOT REVIEWED, due 1970-01-01T00:00:01.001Z"),
        "{text}"
    );
    assert!(
        text.contains(&"01".repeat(16)) && !text.contains("NOT COMPLETE"),
        "{text}"
    );
    assert_eq!(whole.to_json()["open"][0]["overdue"], true);
    assert_eq!(whole.to_json()["open"][1]["overdue"], false);

    let hidden = list(1);
    assert!(!hidden.is_whole() && hidden.to_json()["whole"] == false);
    assert!(
        hidden
            .to_text()
            .contains("has 2 open reviews, proved, and the node showed 1")
    );
}

/// A node that serves yesterday's state hides what was opened since, and that what stands there is late now.
#[test]
fn an_old_state_is_said_to_be_one() {
    let mut old = list(2);
    assert!(!old.is_stale() && !old.is_overdue(&old.open[1]));
    old.age = FRESH_MILLIS + 1;
    assert!(old.is_stale() && old.is_overdue(&old.open[1]));
    let text = old.to_text();
    assert!(text.contains("THIS LIST IS OLD"), "{text}");
    assert_eq!(old.to_json()["stale"], true);
}
