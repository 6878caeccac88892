//! A release log against the ledger: whatever no access accounts for is found.

use super::log::released;
use super::*;
use medanchor_ledger::{Index, Size};

/// What the ledger says of the request with this number, which stands at entry 100 and so many: it is of
/// the very time of [`released`].
fn access(number: u8) -> Option<Access> {
    let access = Access {
        index: Index(100 + u64::from(number)),
        owner: named("north-hospital"),
        record: RecordHandle::new([2; 16]),
        version: 3,
        permitted: true,
        time: Time(NOON.0 + u64::from(number)),
        ends: Ends::default(),
    };
    match number {
        2 => None,
        3 => Some(Access {
            permitted: false,
            ..access
        }),
        4 => Some(Access {
            record: RecordHandle::new([3; 16]),
            ..access
        }),
        5 => Some(Access {
            owner: named("south-hospital"),
            ..access
        }),
        6 => Some(Access {
            time: Time(NOON.0 + 3_600_000),
            ..access
        }),
        7 => Some(Access {
            time: Time(NOON.0 - 3_600_000),
            ..access
        }),
        9 => Some(Access {
            version: 4,
            ..access
        }),
        _ => Some(access),
    }
}

fn found(numbers: &[u8], anchored: &[(Index, Size)]) -> Vec<(Index, Outside, Option<Index>)> {
    let entries = numbers.iter().map(|number| Ok::<_, ()>(released(*number)));
    let found = reconcile(entries, anchored, |request| {
        Ok(access(request.as_bytes()[0]))
    });
    let found = found.unwrap();
    let shown = |one: &Finding| (one.place, one.why, one.entry);
    found.iter().map(shown).collect()
}

#[test]
fn every_release_without_its_access_is_named_and_no_other() {
    let expected = [
        (Index(1), Outside::NoRequest, None),
        (Index(2), Outside::Denied, Some(Index(103))),
        (Index(3), Outside::OtherRecord, Some(Index(104))),
        (Index(4), Outside::OtherRecord, Some(Index(105))),
        (Index(5), Outside::Early, Some(Index(106))),
        (Index(6), Outside::Late, Some(Index(107))),
        (Index(8), Outside::Twice, Some(Index(108))),
        (Index(9), Outside::OtherVersion, Some(Index(109))),
    ];
    assert_eq!(found(&[1, 2, 3, 4, 5, 6, 7, 8, 8, 9], &[]), expected);
    // What proves a breach is said of the second entry as of the first one.
    let denied = |place| (Index(place), Outside::Denied, Some(Index(103)));
    assert_eq!(found(&[3, 3], &[]), [denied(0), denied(1)]);
}

/// Whatever the custodian's clock said: its own root stands before the request.
#[test]
fn a_log_that_was_anchored_before_the_request_proves_that_the_release_came_first() {
    let anchored = |index, size| (Index(index), Size(size));
    // Request 1 stands at 101, 11 at 111, and so on.
    let early = (Index(1), Outside::AnchoredFirst, Some(Index(110)));
    let roots = [anchored(50, 0), anchored(105, 1), anchored(110, 2)];
    assert_eq!(found(&[1, 11, 12], &roots), [early]);
    let roots = [anchored(105, 1), anchored(112, 2), anchored(113, 3)];
    assert_eq!(found(&[1, 11, 12], &roots), [], "none is above its request");
    assert_eq!(found(&[1, 11, 12], &[anchored(113, 2)]), []);
    // A version that came in between hides nothing.
    let between = (Index(0), Outside::AnchoredFirst, Some(Index(90)));
    assert_eq!(found(&[9], &[anchored(90, 1)]), [between]);
    // The first root over it counts, and not a later one.
    let roots = [anchored(90, 3), anchored(95, 3), anchored(200, 3)];
    let early = |place, at| (Index(place), Outside::AnchoredFirst, Some(Index(at)));
    let all = [early(0, 90), early(1, 90), early(2, 90)];
    assert_eq!(found(&[10, 11, 12], &roots), all);
}

#[test]
fn a_release_after_an_end_is_named_once_no_fresh_proof_can_hide_that() {
    let end = |index, time| {
        Some(End {
            index: Index(index),
            time: Time(time),
        })
    };
    let slack = 120_000;
    let judge = |ends: Ends| {
        let known = Access {
            ends,
            ..access(1).unwrap()
        };
        let entries = [Ok::<_, ()>(released(1))];
        let found = reconcile(entries, &[], |_| Ok(Some(known.clone()))).unwrap();
        found.first().map(|one| (one.why, one.entry))
    };
    let each = |index, time| {
        let at = end(index, time);
        let none = Ends::default;
        [
            (
                Ends {
                    erased: at,
                    ..none()
                },
                Outside::AfterErasure,
            ),
            (
                Ends {
                    superseded: at,
                    ..none()
                },
                Outside::AfterNewVersion,
            ),
            (
                Ends {
                    revoked: at,
                    ..none()
                },
                Outside::AfterRevocation,
            ),
            (
                Ends {
                    expired: at,
                    ..none()
                },
                Outside::AfterConsent,
            ),
        ]
    };
    let time = released(1).time.0;
    for (ends, why) in each(7, time - slack - 1) {
        assert_eq!(judge(ends), Some((why, Some(Index(7)))));
    }
    for (ends, why) in each(7, time - slack) {
        assert_eq!(judge(ends), None, "{why:?}");
    }
    for (ends, why) in each(7, time + 1) {
        assert_eq!(judge(ends), None, "{why:?}");
    }
}

#[test]
fn a_failed_read_is_no_finding() {
    let entries = [Ok(released(1)), Err("cut"), Ok(released(2))];
    assert_eq!(reconcile(entries, &[], |_| Ok(None)), Err("cut"));
    let entries = [Ok(released(1))];
    assert_eq!(
        reconcile(entries, &[], |_| Err("no ledger")),
        Err("no ledger")
    );
}
