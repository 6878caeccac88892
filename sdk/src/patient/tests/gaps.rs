//! What the list lacks is named in every form of it, in English and in Chinese.

use super::*;
use crate::access_list::limits;

/// Every form in which the list is given away.
fn forms(history: &PatientHistory) -> [String; 4] {
    [
        history.to_text(),
        history.to_json().to_string(),
        history.list.to_bundle().to_string(),
        serde_json::json!(history.list.to_ehds()).to_string(),
    ]
}

fn all_say(history: &PatientHistory, words: &[&str]) {
    for form in forms(history) {
        for word in words {
            assert!(form.contains(word), "{word:?} is not in {form}");
        }
    }
}

fn listed(chain: &mut Chain, began: Epoch) -> PatientHistory {
    let end = Time(start() + 40 * HOUR);
    let (known, owner) = (known(), name("hospital"));
    let about = About {
        began,
        ..about(&known, &owner, end)
    };
    fold(&about, vec![chain.until(end)], Vec::new()).unwrap()
}

#[test]
fn quarters_that_were_not_asked_for_are_a_gap() {
    let mut chain = Chain::new(QUARTER);
    chain.sealed().asked(Decision::Permitted);
    let history = listed(&mut chain, Epoch(QUARTER.0 - 5));
    let [gap] = history.list.gaps.as_slice() else {
        panic!("{:?}", history.list.gaps);
    };
    let (first, last) = (Epoch(QUARTER.0 - 5), Epoch(QUARTER.0 - 1));
    assert_eq!(gap.of, Some(GapOf::Quarters { first, last }));
    assert_eq!((gap.from, gap.until), (first.begin(), None), "to this day");
    assert!(!history.is_whole());
    assert!(history.to_text().contains("at least 1 accesses"));
    assert!(!history.to_text().contains("exactly 1 accesses"));
    all_say(
        &history,
        &["2024-Q4", "2025-Q4", "2026-Q1", "THIS LIST IS NOT COMPLETE"],
    );
    all_say(
        &history,
        &["not asked for: who opened", "没有查询", "本清单不完整"],
    );
}

/// The list ends in a quarter that a slow clock did not ask for.
#[test]
fn the_quarter_in_which_the_list_ends_has_to_be_asked_for() {
    let end = Time(start() + HOUR);
    let (known, owner, before) = (known(), name("hospital"), Epoch(QUARTER.0 - 1));
    let about = About {
        began: before,
        ..about(&known, &owner, Time(start() - HOUR))
    };
    let history = fold(&about, vec![Chain::new(before).until(end)], Vec::new()).unwrap();
    let (first, last) = (QUARTER, QUARTER);
    let gap = history.list.gaps.first().unwrap();
    assert_eq!(gap.of, Some(GapOf::Quarters { first, last }));
}

#[test]
fn a_record_without_custody_is_a_gap_until_it_is_erased() {
    let erase = erasure();
    let mut chain = Chain::new(QUARTER);
    chain.sealed_alone().asked(Decision::Permitted);
    let kept = listed(&mut chain, QUARTER);
    chain
        .sealed_alone()
        .asked(Decision::Permitted)
        .add("hospital", 0, erase);
    let erased = listed(&mut chain, QUARTER);
    for (history, until) in [(kept, None), (erased, Some(Time(start() + 3 * HOUR)))] {
        let gap = Gap {
            from: Time(start() + HOUR),
            until,
            why: GapReason::NotInCustody,
            of: Some(GapOf::Record {
                record: record(1),
                document: Some("Observation/7".into()),
            }),
        };
        assert_eq!(history.list.gaps, [gap]);
        assert!(!history.is_whole() && !history.to_text().contains("exactly 1"));
        all_say(
            &history,
            &[
                "Observation/7",
                "this record is not in custody",
                "没有分给保管人",
            ],
        );
    }
}

/// The shares of a later version are destroyed, and the owner's own part of the first one is not.
#[test]
fn an_erasure_that_leaves_the_owners_part_leaves_the_gap_until_that_is_destroyed() {
    let shares = RecordErase {
        destroyed: Destroyed::new(Destroyed::SHARES).unwrap(),
        ..erasure()
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed_alone().add("hospital", 0, shares.clone());
    let kept = listed(&mut chain, QUARTER).list.gaps;
    assert_eq!(kept[0].until, None);
    let mut chain = Chain::new(QUARTER);
    let chain = chain.sealed_alone().add("hospital", 0, shares);
    let last = listed(chain.add("hospital", 0, erasure()), QUARTER);
    assert_eq!(last.list.gaps[0].until, Some(Time(start() + 3 * HOUR)));
    assert_eq!(last.erasures.len(), 1);
}

/// The first version stays with its owner's key when a later one is in custody.
#[test]
fn custody_of_a_later_version_does_not_reach_back() {
    let mut chain = Chain::new(QUARTER);
    chain.sealed_alone().sealed();
    let why = listed(&mut chain, QUARTER).list.gaps;
    assert!(why.iter().map(|gap| gap.why).eq([GapReason::NotInCustody]));
}

#[test]
fn a_journal_of_which_nothing_is_proved_is_a_gap() {
    let end = Time(start() + HOUR);
    let (known, owner) = (known(), name("hospital"));
    let journal = Journal {
        head: Err(NotProved),
        ..no_journal()
    };
    let about = About {
        journal,
        ..about(&known, &owner, end)
    };
    let history = fold(&about, vec![Chain::new(QUARTER).until(end)], Vec::new()).unwrap();
    assert!(!history.is_whole());
    all_say(
        &history,
        &["emergency journal stands", "没有节点证明该机构应急日志"],
    );
}

#[test]
fn every_form_says_what_no_list_can_say() {
    let mut chain = Chain::new(QUARTER);
    let history = listed(chain.sealed(), QUARTER);
    assert!(history.is_sound() && history.to_text().contains("exactly 0 accesses"));
    for limit in limits() {
        all_say(&history, &[&limit.en, &limit.zh]);
    }
    all_say(&history, &["2026-Q1"]);
}
