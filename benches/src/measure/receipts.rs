//! Checking a receipt offline: the entry's hash, the way to the root, a log key, a quorum.

use crate::process::thread_cpu;
use crate::report::{Budget, Section};
use anyhow::{Context, Result};
use medanchor_sdk::{Policy, SignedEvent, verify_receipt, verify_statement, walk_policies};
use medanchor_tests::network::Network;

/// How often it is checked.
const CHECKS: u32 = 1_000;
const BUDGET: Budget = Budget::AtMost {
    must: 1.0,
    goal: 0.3,
};

/// Anchors an event and checks its receipt.
pub fn measure(network: &Network) -> Result<Section> {
    let author = network.authors()?.into_iter().next().context("an author")?;
    let event = author.seal()?;
    let receipt = network.client(0).anchor(&event)?;
    let policy = Policy::parse(&std::fs::read(network.layout().dir.join("policy"))?)?;
    let start = thread_cpu();
    for _ in 0..CHECKS {
        verify_receipt(&policy, event.encoded(), &receipt)?;
    }
    let each = thread_cpu().saturating_sub(start).as_secs_f64() * 1e3 / f64::from(CHECKS);
    let anchored = verify_receipt(&policy, event.encoded(), &receipt)?;
    let checkpoint = anchored.verified().checkpoint();
    let workload = format!(
        "a receipt of {} bytes in a log of {} entries: {} log key(s) and {} cosigners checked; CPU time",
        receipt.len(),
        checkpoint.checkpoint().size,
        checkpoint.logs().len(),
        checkpoint.cosigners().len(),
    );
    let mut section = Section::new("Receipt check, offline", workload);
    section.add_with("parse and verify", each, "ms", BUDGET);
    section.add_with(
        "the same as a transparent statement, COSE keys",
        cose(network, &event)?,
        "ms",
        BUDGET,
    );
    Ok(section)
}

/// Milliseconds of CPU to check the event's transparent statement.
fn cose(network: &Network, event: &SignedEvent) -> Result<f64> {
    let path = format!("/v1/events/{}/receipt", event.id());
    let statement = network
        .client(0)
        .get_as(&path, "application/scitt-statement+cose")?;
    let policies = walk_policies(network.layout().genesis.encoded(), None)?;
    let start = thread_cpu();
    for _ in 0..CHECKS {
        verify_statement(&policies, &statement)?;
    }
    Ok(thread_cpu().saturating_sub(start).as_secs_f64() * 1e3 / f64::from(CHECKS))
}
