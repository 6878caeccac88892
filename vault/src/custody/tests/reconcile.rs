//! A release log against the ledger: whatever no access accounts for is found.

use super::log::released;
use super::*;
use medanchor_ledger::Index;

fn access(number: u8) -> Option<Access> {
    let access = Access {
        owner: named("north-hospital"),
        record: RecordHandle::new([2; 16]),
        permitted: true,
        time: Time(NOON.0 + u64::from(number) - 1),
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
        _ => Some(access),
    }
}

#[test]
fn every_release_without_its_access_is_named_and_no_other() {
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 8];
    let entries = numbers.map(|number| Ok::<_, std::io::Error>(released(number)));
    let found = reconcile(entries, |request| Ok(access(request.as_bytes()[0]))).unwrap();
    let found: Vec<_> = found.iter().map(|each| (each.place, each.why)).collect();
    let expected = [
        (Index(1), Outside::NoRequest),
        (Index(2), Outside::Denied),
        (Index(3), Outside::OtherRecord),
        (Index(4), Outside::OtherRecord),
        (Index(5), Outside::Early),
        (Index(6), Outside::Late),
        (Index(8), Outside::Twice),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_failed_read_is_no_finding() {
    let entries = [Ok(released(1)), Err("cut"), Ok(released(2))];
    assert_eq!(reconcile(entries, |_| Ok(None)), Err("cut"));
    let entries = [Ok(released(1))];
    assert_eq!(reconcile(entries, |_| Err("no ledger")), Err("no ledger"));
}
