//! `verify --tier` and `--until`: what each tier finds, what it says of itself, and where it stops.

mod support;

use medanchor_ledger::event::{
    EventBody, InspectionKey, InspectionOpen, InspectionOutput, InspectionPopulation, LotOpen,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::{Inspection, StateValue};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::vrf::VrfSecretKey;
use medanchor_ledger::{
    Commitment, InspectionHandle, LotHandle, PopulationHandle, StateRoot, Time, TreeHash,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Built, OPERATIONAL, audit, key, name};

fn published(built: &Built) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

fn verify(folder: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let folder = folder.to_str().expect("a path that is text");
    let output = audit(&[&["verify", "--json", "--threads", "1", folder], more].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    (output.status.code(), report)
}

fn tier(folder: &Path, tier: &str) -> (Option<i32>, Value) {
    verify(folder, &["--tier", tier])
}

fn texts(report: &Value, key: &str) -> Vec<String> {
    let texts = report[key].as_array().expect("a list");
    let texts = texts
        .iter()
        .map(|text| text.as_str().expect("a text").to_owned());
    texts.collect()
}

#[test]
fn each_tier_says_what_it_checked_and_what_not() {
    let built = Built::busy(33);
    let folder = published(&built);
    let mut before = Vec::new();
    for name in ["hashes", "signatures", "rules"] {
        let (code, report) = tier(folder.path(), name);
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!(report["tier"], name);
        assert_eq!(report["entries"], built.size(), "{report:#}");
        let checked = texts(&report, "checked");
        assert!(
            before.iter().all(|text| checked.contains(text)),
            "{report:#}"
        );
        assert!(checked.len() > before.len(), "{report:#}");
        before = checked;
        let left = texts(&report, "not_checked");
        assert_eq!(
            left.iter().any(|text| text.contains("state roots")),
            name != "rules"
        );
        assert!(
            left.iter().any(|text| text.contains("no other log")),
            "{report:#}"
        );
        assert_eq!(report["events"].is_null(), name == "hashes", "{report:#}");
        assert_eq!(report["access"].is_null(), name != "rules", "{report:#}");
        assert_eq!(
            report["log"]["state_root"].is_null(),
            name != "rules",
            "{report:#}"
        );
    }
    let (_, all) = verify(folder.path(), &[]);
    assert_eq!(all["tier"], "rules", "all of it is the default");
}

#[test]
fn the_counts_of_signatures_are_those_of_rules() {
    let built = Built::busy(12);
    let folder = published(&built);
    let (signatures, rules) = (
        tier(folder.path(), "signatures"),
        tier(folder.path(), "rules"),
    );
    for key in [
        "blocks",
        "events",
        "events_by_kind",
        "event_signatures",
        "certificates",
        "certificate_signatures",
        "cosignatures",
    ] {
        assert_eq!(signatures.1[key], rules.1[key], "{key}");
    }
    assert_eq!(signatures.1["log"]["height"], rules.1["log"]["height"]);
}

#[test]
fn a_failed_audit_claims_to_have_checked_nothing() {
    let built = Built::busy(3);
    let folder = published(&built);
    fs::remove_file(folder.path().join("certificates")).expect("a file");
    let (code, report) = tier(folder.path(), "signatures");
    assert_eq!(code, Some(1), "{report:#}");
    assert!(texts(&report, "checked").is_empty(), "{report:#}");
    assert!(
        texts(&report, "not_checked")[0].contains("after the place"),
        "{report:#}"
    );
    let (code, report) = tier(folder.path(), "hashes");
    assert_eq!(code, Some(0), "hashes need no certificates: {report:#}");
}

#[test]
fn a_forged_signature_is_below_hashes_and_named_by_signatures() {
    let mut built = Built::busy(12);
    *built.blocks[3][5].last_mut().expect("bytes") ^= 1;
    let folder = published(&built);
    assert_eq!(tier(folder.path(), "hashes").0, Some(0));
    let found = |name| {
        let (code, report) = tier(folder.path(), name);
        assert_eq!(code, Some(1), "{report:#}");
        report["fault"].clone()
    };
    assert_eq!(found("signatures"), found("rules"));
    assert_eq!(found("signatures")["entry"], 1 + 20 + 5);
}

#[test]
fn a_wrong_state_root_is_found_by_rules_alone() {
    let mut built = Built::busy(12);
    let entry = built
        .blocks
        .last_mut()
        .and_then(|block| block.last_mut())
        .expect("a seal");
    let mut seal = Seal::decode(entry).expect("a seal");
    seal.state_root = StateRoot::new([1; 32]);
    *entry = seal.encode();
    let folder = published(&built);
    assert_eq!(tier(folder.path(), "signatures").0, Some(0));
    let (code, report) = tier(folder.path(), "rules");
    assert_eq!(
        (code, &report["fault"]["height"]),
        (Some(1), &12.into()),
        "{report:#}"
    );
}

#[test]
fn a_seal_that_does_not_follow_is_named_by_signatures() {
    type Change = fn(&mut Seal);
    let fields: [(Change, &str); 5] = [
        (
            |seal| seal.previous = medanchor_ledger::TreeHash::new([1; 32]),
            "previous seal",
        ),
        (|seal| seal.time = medanchor_ledger::Time(1), "time"),
        (|seal| seal.count += 1, "log"),
        (
            |seal| seal.next_policy = medanchor_ledger::PolicyHash::new([1; 32]),
            "policies",
        ),
        (|seal| seal.height = seal.height.next(), "height"),
    ];
    for (change, field) in fields {
        let mut built = Built::busy(6);
        let entry = built.blocks[4].last_mut().expect("a seal");
        let mut seal = Seal::decode(entry).expect("a seal");
        change(&mut seal);
        *entry = seal.encode();
        let folder = published(&built);
        let (code, report) = tier(folder.path(), "signatures");
        assert_eq!(
            (code, &report["fault"]["height"]),
            (Some(1), &4.into()),
            "{report:#}"
        );
        let what = report["fault"]["what"].as_str().expect("a text");
        assert!(what.contains(field), "{what}");
    }
}

#[test]
fn an_audit_until_a_height_gives_its_state_root_and_proves_what_follows() {
    let built = Built::busy(33);
    let folder = published(&built);
    for height in [0, 1, 7, 33] {
        let (code, report) = verify(folder.path(), &["--until", &height.to_string()]);
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!(report["log"]["height"], height);
        let executed = usize::try_from(height)
            .ok()
            .and_then(|height: usize| height.checked_sub(1));
        if let Some(executed) = executed.and_then(|at| built.executed.get(at)) {
            let root = executed.seal.state_root.to_string();
            assert_eq!(report["log"]["state_root"], root, "{report:#}");
        }
    }
    // The second bundle is never read, but its tile must lead to the root that was signed.
    let tile = folder
        .path()
        .join(format!("tile/0/001.p/{}", built.size() - 256));
    let mut bytes = fs::read(&tile).expect("a tile");
    bytes[40] ^= 1;
    fs::write(&tile, bytes).expect("a tile");
    let (code, report) = verify(folder.path(), &["--until", "7"]);
    assert_eq!(code, Some(1), "{report:#}");
    assert!(
        report["fault"]["what"]
            .as_str()
            .is_some_and(|what| what.contains("root")),
        "{report:#}"
    );
}

#[test]
fn a_height_that_the_checkpoint_does_not_reach_is_told() {
    let built = Built::busy(3);
    let folder = published(&built);
    let (code, report) = verify(folder.path(), &["--until", "4"]);
    assert_eq!(code, Some(3), "{report:#}");
    assert!(
        report["fault"]["what"]
            .as_str()
            .is_some_and(|what| what.contains("height 3"))
    );
    let target = folder.path().to_str().expect("text");
    let output = audit(&["verify", "--until", "1", "--tier", "hashes", target]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_text_says_the_tier_too() {
    let built = Built::busy(3);
    let folder = published(&built);
    let target = folder.path().to_str().expect("text");
    let output = audit(&["verify", "--tier", "hashes", target]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.starts_with("All that tier hashes checks holds."),
        "{text}"
    );
    assert!(
        text.contains("Not checked:\n  - what the entries say"),
        "{text}"
    );
}

const COMMITMENT: Commitment = Commitment::new(TreeHash::new([1; 32]));
const INSPECTION: InspectionHandle = InspectionHandle::new([2; 16]);
const HOSPITAL: u8 = 1;
const REGULATOR: u8 = 3;

/// Three validators' nodes have keys, and an inspection of a list of two is open.
fn inspected() -> Built {
    let mut built = Built::new("audit.medanchor.example");
    let registration = |number| {
        let keys = InspectionKey {
            vrf: VrfSecretKey::from_seed(&[number; 32]).public_key(),
            operational: key(number, OPERATIONAL).public_key(),
            replaces: None,
        };
        (number, keys.into())
    };
    let population = PopulationHandle::new([3; 16]);
    let fixed = InspectionPopulation {
        population,
        root: TreeHash::new([4; 32]),
        count: 2,
        commitment: COMMITMENT,
    };
    let mut bodies: Vec<(u8, EventBody)> = (0..3).map(registration).collect();
    bodies.push((HOSPITAL, fixed.into()));
    built.block_of(bodies);
    let opening = InspectionOpen {
        inspection: INSPECTION,
        owner: name(HOSPITAL),
        population,
        sample: 1,
        window: 60_000,
        answer_by: Time(1_700_000_000_000 + 7_200_000),
        commitment: COMMITMENT,
    };
    built.block_of(vec![(REGULATOR, opening.into())]);
    built
}

/// What a validator's node says of the inspection.
fn output(built: &Built, number: u8) -> EventBody {
    let (opener, head) = (name(REGULATOR), built.memory().head().clone());
    let value = built
        .memory()
        .value(&Inspection::key(&opener, &INSPECTION))
        .expect("a state")
        .expect("an inspection");
    let inspection = Inspection::decode(&value).expect("an inspection");
    let input = inspection.input(head.network, &opener, INSPECTION, head.seal_hash);
    let proof = VrfSecretKey::from_seed(&[number; 32]).prove(&input.of(&name(number)));
    let output = InspectionOutput {
        opener: opener.clone(),
        inspection: INSPECTION,
        proof: proof.expect("a proof"),
    };
    output.into()
}

#[test]
fn the_key_of_a_validators_node_signs_outputs_and_nothing_else() {
    let mut built = inspected();
    let body = output(&built, 0);
    let event = built.event_by(0, OPERATIONAL, body);
    built.block_by(vec![(event, key(0, OPERATIONAL))]);
    let lot = LotOpen {
        lot: LotHandle::new([5; 16]),
        commitment: COMMITMENT,
    };
    built.block(vec![lot.clone().into()]);
    let folder = published(&built);
    for name in ["signatures", "rules"] {
        let (code, report) = tier(folder.path(), name);
        assert_eq!(code, Some(0), "{report:#}");
    }

    // The same lot, signed by the node: well signed, but not by a key that may sign it.
    let forged = built.event_by(0, OPERATIONAL, lot.into());
    let last = built.blocks.last_mut().expect("a block");
    last[0] = forged.encoded().to_vec();
    let folder = published(&built);
    assert_eq!(tier(folder.path(), "hashes").0, Some(0));
    let (code, report) = tier(folder.path(), "signatures");
    assert_eq!(code, Some(1), "{report:#}");
    let what = report["fault"]["what"].as_str().expect("a text");
    assert!(what.contains("key") && !what.contains("seal"), "{what}");
}
