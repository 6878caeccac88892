//! Receipts in every form, consistency receipts and the policy chain, all checked offline.

use crate::rig::Rig;
use medanchor_ledger::cose_receipt::CoseReceipt;
use medanchor_sdk::{
    SignedEvent, verify_consistency, verify_cose_consistency, verify_receipt_by, verify_statement,
    walk_policies,
};

fn anchored(rig: &Rig) -> SignedEvent {
    let event = rig.sign(rig.record());
    assert_eq!(rig.anchor(&event).status, 200);
    event
}

#[test]
fn every_form_of_a_receipt_holds_offline_by_genesis_and_chain_alone() {
    let rig = Rig::new();
    let event = anchored(&rig);
    let chain = rig.get("/policy-chain");
    assert_eq!(
        (chain.status, chain.kind.as_str()),
        (200, "application/cbor")
    );
    let genesis = rig.layout.genesis.encoded();
    let policies = walk_policies(genesis, Some(&chain.body)).expect("holds");
    let path = format!("/v1/events/{}/receipt", event.id());
    for accept in [
        "*/*",
        "text/plain",
        "text/*, application/cose;q=0.5",
        "application/*;q=0.1, */*",
    ] {
        let answer = rig.get_with(&path, ("accept", accept));
        let text = "text/plain; charset=utf-8";
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, text),
            "{accept}"
        );
        verify_receipt_by(&policies, event.encoded(), &answer.body).expect("holds");
    }
    for (accept, kind) in [
        (
            "application/scitt-statement+cose",
            "application/scitt-statement+cose",
        ),
        ("application/cose, text/plain;q=0.9", "application/cose"),
        ("application/*", "application/scitt-statement+cose"),
    ] {
        let answer = rig.get_with(&path, ("accept", accept));
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, kind),
            "{accept}"
        );
        let proved = verify_statement(&policies, &answer.body).expect("holds");
        assert_eq!(proved.event().encoded(), event.encoded());
        assert_eq!(proved.quorum().validators().len(), 1);
    }
    let one = rig.get_with(&path, ("accept", "application/scitt-receipt+cose"));
    assert_eq!(one.kind, "application/scitt-receipt+cose");
    let receipt = CoseReceipt::decode(&one.body).expect("a receipt");
    assert!(receipt.root_of_entry(event.encoded()).is_ok());
    for accept in [
        "text/html",
        "application/json",
        "text/plain;q=0",
        "nonsense",
    ] {
        let refused = rig.get_with(&path, ("accept", accept));
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (406, "not-acceptable"),
            "{accept}"
        );
    }
}

#[test]
fn a_log_is_shown_to_have_only_grown_since_a_checkpoint_that_was_kept() {
    let rig = Rig::new();
    let genesis = rig.layout.genesis.encoded();
    let policies = walk_policies(genesis, None).expect("a genesis");
    let (mut kept, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        anchored(&rig);
        let note = rig.get("/checkpoint").body;
        let text = std::str::from_utf8(&note).expect("text");
        sizes.push(text.lines().nth(1).expect("a size").to_owned());
        kept.push(note);
    }
    let (first, third) = (&sizes[0], &sizes[2]);
    for path in [
        format!("/v1/consistency?from={first}"),
        format!("/v1/consistency?from={first}&to={third}"),
        format!("/v1/consistency?from={first}&to={first}"),
    ] {
        let text = rig.get(&path);
        assert_eq!(text.status, 200, "{path}");
        verify_consistency(&policies, &kept[0], &text.body).expect("holds");
        assert!(verify_consistency(&policies, &kept[1], &text.body).is_err());
        let cose = rig.get_with(&path, ("accept", "application/cbor"));
        if path.ends_with(&format!("to={first}")) {
            assert_eq!(cose.code(), "not-acceptable");
        } else {
            assert_eq!((cose.status, cose.kind.as_str()), (200, "application/cbor"));
            verify_cose_consistency(&policies, &kept[0], &cose.body).expect("holds");
        }
    }
    let ahead = u64::MAX;
    for (query, code) in [
        (String::new(), "malformed"),
        ("?from=0".into(), "malformed"),
        ("?from=x".into(), "malformed"),
        ("?from=1&more=2".into(), "malformed"),
        (format!("?from={third}&to={first}"), "malformed"),
        (format!("?from={ahead}"), "not-found"),
        (format!("?from=1&to={ahead}"), "not-found"),
    ] {
        assert_eq!(
            rig.get(&format!("/v1/consistency{query}")).code(),
            code,
            "{query}"
        );
    }
}

/// The records of published checkpoints are on disk: nothing is lost by a restart.
#[test]
fn a_node_that_was_started_again_serves_the_same_cose_receipts() {
    let mut rig = Rig::new();
    let event = anchored(&rig);
    let path = format!("/v1/events/{}/receipt", event.id());
    let form = ("accept", "application/cose");
    let before = rig.get_with(&path, form);
    rig.start_again();
    let after = rig.get_with(&path, form);
    assert_eq!((before.status, after.status), (200, 200));
    let policies = walk_policies(rig.layout.genesis.encoded(), None).expect("a genesis");
    for answer in [before, after] {
        verify_statement(&policies, &answer.body).expect("holds");
    }
}

fn medanchor(arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_medanchor"))
        .arg("policy")
        .args(arguments)
        .env_remove("MEDANCHOR_HOME")
        .output()
        .expect("it runs")
}

#[test]
fn the_command_prints_policy_and_chain_of_a_home_and_of_a_node() {
    let rig = Rig::new();
    // There is a checkpoint.
    assert_eq!(rig.anchor(&rig.sign(rig.record())).status, 200);
    let genesis = &rig.layout.genesis;
    let home = rig.layout.nodes[0].home.path();
    let home = home.to_str().expect("text");
    let (policy, chain) = (rig.get("/policy").body, rig.get("/policy-chain").body);
    for from in [["--home", home], ["--url", rig.url.as_str()]] {
        for height in [&[][..], &["--height", "0"]] {
            let printed = medanchor(&[&from[..], height].concat());
            assert_eq!(printed.status.code(), Some(0), "{printed:?}");
            assert_eq!(printed.stdout, policy);
        }
        let beyond = medanchor(&[&from[..], &["--height", "999999"]].concat());
        let said = String::from_utf8(beyond.stderr).expect("text");
        assert!(
            said.contains("height 999999 is not reached: the published log ends with height "),
            "{said}"
        );
        assert_eq!((beyond.status.code(), beyond.stdout), (Some(1), Vec::new()));
        let printed = medanchor(&[&from[..], &["--chain"]].concat());
        assert_eq!(
            (printed.status.code(), printed.stdout),
            (Some(0), chain.clone())
        );
    }
    let told = String::from_utf8(medanchor(&["--url", &rig.url]).stderr).expect("text");
    assert!(told.contains(&genesis.hash().to_string()), "{told}");
    let other = Rig::new();
    let theirs = other.layout.nodes[0].home.genesis();
    let theirs = theirs.to_str().expect("text");
    for from in [["--home", home], ["--url", rig.url.as_str()]] {
        let refused = medanchor(&[&from[..], &["--genesis", theirs]].concat());
        let said = String::from_utf8(refused.stderr).expect("text");
        assert_eq!(refused.status.code(), Some(15), "{said}");
        assert!(
            said.contains("of the network") && refused.stdout.is_empty(),
            "{said}"
        );
    }
    assert_eq!(medanchor(&[]).status.code(), Some(2));
    assert_eq!(medanchor(&["--home", "/nowhere"]).status.code(), Some(11));
    assert_eq!(
        medanchor(&["--url", "http://127.0.0.1:1"]).status.code(),
        Some(19)
    );
}
