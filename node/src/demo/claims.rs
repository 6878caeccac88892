//! What the demo claims, each claim held against what was seen.
//!
//! What always holds: a claim about the ledger rests on verified receipts and on the audit, which
//! recomputed everything from files, and not on the word of one node.

use super::Audits;
use super::audit::Audit;
use super::books::Books;
use super::custody::Custody;
use super::emergency::Emergency;
use super::erasure::Erasure;
use super::input::Input;
use super::scenes::PERMITTED;
use super::story::Story;
use super::summary::{Claim, Read};
use medanchor_sdk::DenialReason;
use std::collections::BTreeMap;

/// Holds every claim against what was seen.
pub fn claims(
    input: &Input,
    read: &Read,
    books: &Books,
    story: &Story,
    audits: &Audits,
) -> Vec<Claim> {
    let mut claims = vec![
        input_claim(input, read, books),
        events_claim(books, &story.custody, &audits.good),
        receipts_claim(books, story),
    ];
    claims.extend(scene_claims(story, &audits.good));
    claims.extend(custody_claims(&story.custody));
    claims.extend(emergency_claims(&story.emergency));
    claims.extend(erasure_claims(&story.erasure, &audits.good));
    claims.extend(crash_claims(books, story));
    claims.extend(audit_claims(audits));
    claims
}

const fn claim(claim: &'static str, held: bool, seen: String) -> Claim {
    Claim { claim, held, seen }
}

fn input_claim(input: &Input, read: &Read, books: &Books) -> Claim {
    let listed = input.accounts_for_every_file();
    let items = read.anchored + read.refused_items + read.left_out_items;
    claim(
        "every file and every item of the input is anchored or listed with its reason, and the counts add up",
        books.failed.is_empty() && listed && items == read.items,
        format!(
            "{} files = {} + {}; {} items = {} anchored + {} refused + {} left out",
            read.files,
            read.files_with_items,
            read.files_without,
            read.items,
            read.anchored,
            read.refused_items,
            read.left_out_items
        ),
    )
}

fn events_claim(books: &Books, custody: &Custody, audit: &Audit) -> Claim {
    let total = books.ids.len() as u64;
    let of_kinds: u64 = books.by_kind().values().sum();
    let mut audited: BTreeMap<String, u64> = audit
        .report
        .get("events_by_kind")
        .and_then(|kinds| serde_json::from_value(kinds.clone()).ok())
        .unwrap_or_default();
    // The nodes register their keys for random outputs by themselves, each at most once.
    let registered = audited.remove("inspection.key").unwrap_or_default();
    let nodes = audit.number("/log/validators").unwrap_or_default();
    // Custodians anchor the roots of their logs by themselves.
    let logs = audited.remove("custody.log").unwrap_or_default();
    let same =
        audited == books.by_kind() && registered <= nodes && logs == custody.releases.len() as u64;
    claim(
        "the log holds the events that the institutions have receipts for, the registration of each validator's keys, the roots of the custodians' logs, and no others, type by type",
        same && of_kinds == total && audit.number("/events") == Some(total + registered + logs),
        format!(
            "{total} receipts, {registered} registrations and {logs} roots, {} events in the audited log",
            audit.number("/events").unwrap_or_default()
        ),
    )
}

fn receipts_claim(books: &Books, story: &Story) -> Claim {
    let total = books.ids.len();
    claim(
        "every receipt holds offline, from the files and the policy alone",
        story.receipts_hold == total && total > 0,
        format!("{} of {total}", story.receipts_hold),
    )
}

fn scene_claims(story: &Story, audit: &Audit) -> [Claim; 3] {
    let (race, denial) = (&story.race, &story.denial);
    let recomputed = audit.denial(denial.index);
    [
        claim(
            "of two redemptions of one prescription one won, and the loser was shown the winner's receipt",
            race.winner != race.loser && race.winner_receipt_verified,
            format!("{} lost by {}", race.loser, race.rule),
        ),
        claim(
            "a read without consent was denied and recorded: its receipt holds, and the audit's own execution denies it too",
            denial.decision != PERMITTED && recomputed == Some(denial.decision.as_str()),
            format!(
                "entry {}: {}",
                denial.index,
                recomputed.unwrap_or("not denied by the audit")
            ),
        ),
        claim(
            "every read was decided as the audit recomputed it",
            decided(story) == recomputed_reads(audit),
            tally(&recomputed_reads(audit)),
        ),
    ]
}

/// How the nodes said that reads were decided, those without consent and in custody included.
fn decided(story: &Story) -> BTreeMap<String, u64> {
    let mut all = story.reads.clone();
    let in_custody = (story.custody.decisions().into_iter())
        .chain(story.emergency.decisions())
        .chain(story.erasure.decisions());
    for decision in in_custody.chain([story.denial.decision.as_str()]) {
        *all.entry(decision.to_owned()).or_default() += 1;
    }
    all
}

fn custody_claims(custody: &Custody) -> [Claim; 2] {
    let released = custody.releases.iter().all(|releases| *releases == 1);
    let running = custody.custodians.len() - 1;
    [
        claim(
            "a record in custody opened under a consent with one custodian away, and not by its owner alone",
            custody.opened && custody.owner_alone_refused,
            format!("{} was away", custody.away),
        ),
        claim(
            "without a consent it was denied, and no custodian released anything: each has anchored a log with the one release that was permitted",
            custody.denied != PERMITTED && released && custody.releases.len() == running,
            format!(
                "{}; {} logs with one release each",
                custody.denied,
                custody.releases.len()
            ),
        ),
    ]
}

fn emergency_claims(emergency: &Emergency) -> [Claim; 2] {
    [
        claim(
            "with every custodian out of reach the hospital opened its own record: journalled before the ledger knew of it, and anchored since",
            emergency.ordinary_way_cut
                && emergency.opened
                && (emergency.entry, emergency.waiting, emergency.anchored) == (1, 1, 1),
            format!(
                "entry {}; {} waited, {} anchored since",
                emergency.entry, emergency.waiting, emergency.anchored
            ),
        ),
        claim(
            "the patient's list is whole, and has that opening in a window that is not proved",
            emergency.list_is_sound && (emergency.listed, emergency.unproven_windows) == (1, 1),
            format!(
                "{} opening(s), {} window(s) without proof",
                emergency.listed, emergency.unproven_windows
            ),
        ),
    ]
}

fn erasure_claims(erasure: &Erasure, audit: &Audit) -> [Claim; 2] {
    let custodians = super::cast::CUSTODIANS.len();
    let (said, in_list) = (audit.number("/events_by_kind/record.erase"), erasure.listed);
    [
        claim(
            "an erased record is erased everywhere: every custodian confirmed, and neither vault nor emergency key opens it",
            erasure.all_destroyed
                && !erasure.opens_at_the_owner
                && erasure.missing.is_empty()
                && erasure.confirmed.len() == custodians,
            format!("{} of {custodians} confirmed", erasure.confirmed.len()),
        ),
        claim(
            "whoever a consent permits to read it was denied, the patient's list says that it was erased, and the log still verifies",
            erasure.denied == DenialReason::Erased.as_str()
                && in_list == 1
                && said.is_some_and(|said| said > 0)
                && audit.exit == 0,
            format!(
                "{}; {} events say that it is erased",
                erasure.denied,
                said.unwrap_or_default()
            ),
        ),
    ]
}

/// How the audit found that reads were decided.
fn recomputed_reads(audit: &Audit) -> BTreeMap<String, u64> {
    let denied = audit.report.pointer("/access/denied");
    let mut all: BTreeMap<String, u64> = denied
        .and_then(|denied| serde_json::from_value(denied.clone()).ok())
        .unwrap_or_default();
    let permitted = audit.number("/access/permitted").unwrap_or_default();
    if permitted > 0 {
        all.insert(PERMITTED.to_owned(), permitted);
    }
    all
}

/// `61 permitted, 1 access.unknown-consent`.
pub fn tally(decisions: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = decisions
        .iter()
        .map(|(decision, count)| format!("{count} {decision}"))
        .collect();
    if words.is_empty() {
        "none in this input".to_owned()
    } else {
        words.join(", ")
    }
}

fn crash_claims(books: &Books, story: &Story) -> [Claim; 3] {
    let (crash, total) = (&story.crash, books.ids.len());
    [
        claim(
            "three validators went on without the fourth",
            crash.events_while_away > 0,
            format!("{} events while it was away", crash.events_while_away),
        ),
        claim(
            "no anchored event was lost: the validator that lost power has every one",
            crash.events_found == total,
            format!("{} of {total}", crash.events_found),
        ),
        claim(
            "all four nodes show the same root",
            story.same_root,
            "checkpoints compared".to_owned(),
        ),
    ]
}

fn audit_claims(audits: &Audits) -> [Claim; 2] {
    let (good, damaged, flip) = (&audits.good, &audits.damaged, &audits.flip);
    let named = damaged.number("/fault/entry");
    [
        claim(
            "the audit recomputed every hash, signature, quorum and rule outcome of one node's files",
            good.exit == 0,
            format!("exit {} after {:.2} s", good.exit, good.seconds),
        ),
        claim(
            "in a copy one bit of the recorded denial was flipped, and the audit named that very entry",
            damaged.exit == 1 && named == Some(flip.entry),
            format!(
                "flipped in entry {}; exit {}, {}",
                flip.entry,
                damaged.exit,
                named.map_or_else(
                    || "no entry named".to_owned(),
                    |entry| format!("entry {entry} named")
                )
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(claims: &[Claim]) -> bool {
        claims.iter().all(|claim| claim.held)
    }

    fn emergency() -> Emergency {
        Emergency {
            owner: "north-hospital",
            ordinary_way_cut: true,
            opened: true,
            entry: 1,
            waiting: 1,
            anchored: 1,
            listed: 1,
            unproven_windows: 1,
            list_is_sound: true,
        }
    }

    #[test]
    fn an_emergency_that_went_otherwise_does_not_hold() {
        assert!(held(&emergency_claims(&emergency())));
        let breaks: [fn(&mut Emergency); 8] = [
            |one| one.ordinary_way_cut = false,
            |one| one.opened = false,
            |one| one.entry = 2,
            |one| one.waiting = 0,
            |one| one.anchored = 0,
            |one| one.listed = 0,
            |one| one.unproven_windows = 0,
            |one| one.list_is_sound = false,
        ];
        for breaks in breaks {
            let mut one = emergency();
            breaks(&mut one);
            assert!(!held(&emergency_claims(&one)));
        }
    }

    fn erasure() -> Erasure {
        Erasure {
            owner: "north-hospital",
            event: String::new(),
            confirmed: super::super::cast::CUSTODIANS.map(str::to_owned).into(),
            missing: Vec::new(),
            all_destroyed: true,
            opens_at_the_owner: false,
            reader: "south-hospital",
            denied: DenialReason::Erased.as_str().to_owned(),
            listed: 1,
        }
    }

    fn audit(erasures: u64, exit: i32) -> Audit {
        Audit {
            exit,
            seconds: 0.0,
            report: serde_json::json!({"events_by_kind": {"record.erase": erasures}}),
        }
    }

    #[test]
    fn an_erasure_that_went_otherwise_does_not_hold() {
        assert!(held(&erasure_claims(&erasure(), &audit(2, 0))));
        for audit in [audit(0, 0), audit(2, 1)] {
            assert!(!held(&erasure_claims(&erasure(), &audit)));
        }
        let breaks: [fn(&mut Erasure); 6] = [
            |one| drop(one.confirmed.pop()),
            |one| one.missing.push("notary-chamber".to_owned()),
            |one| one.all_destroyed = false,
            |one| one.opens_at_the_owner = true,
            |one| one.denied = DenialReason::UnknownConsent.as_str().to_owned(),
            |one| one.listed = 0,
        ];
        for breaks in breaks {
            let mut one = erasure();
            breaks(&mut one);
            assert!(!held(&erasure_claims(&one, &audit(2, 0))));
        }
    }
}
