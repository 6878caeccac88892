//! Proofs of the state: what a document weighs, and what it costs to check it offline.

use crate::process::thread_cpu;
use crate::report::Section;
use anyhow::{Context, Result};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::Record;
use medanchor_sdk::{Client, Policy, PolicyRange, Size, verify_history, verify_state};
use medanchor_tests::network::Network;

/// How often each is checked.
const CHECKS: u32 = 500;

/// Fetches a state document and a history, and checks them.
pub fn measure(network: &Network) -> Result<Section> {
    let author = network.authors()?.into_iter().next().context("an author")?;
    let event = author.seal()?;
    network.client(0).anchor(&event)?;
    let EventBody::RecordSeal(body) = event.body() else {
        anyhow::bail!("an author seals records");
    };
    let owner = event.issuer();
    let key = Record::key(owner, &body.record);
    let policy = Policy::parse(&std::fs::read(network.layout().dir.join("policy"))?)?;
    let client = Client::new([format!("http://{}", network.node(0).http)], policy.clone())?;
    let range = PolicyRange::from(policy, Size(0));
    let state = client.state(&key, None)?;
    let history = client.history(owner, &body.tag)?;
    let workload = format!(
        "in a log of {} entries: a state document of {} bytes, the history of a tag with {} events of {} bytes; CPU time",
        state.proved().checkpoint.checkpoint().size,
        state.document().len(),
        history.links().len(),
        history.document().len(),
    );
    let mut section = Section::new("Proofs of the state, offline", workload);
    let state = each(|| verify_state(&range, &key, state.document()))?;
    section.add("check a state document", state, "ms");
    let history = each(|| verify_history(&range, owner, &body.tag, history.document()))?;
    section.add("check a history", history, "ms");
    Ok(section)
}

fn each<T, E>(check: impl Fn() -> Result<T, E>) -> Result<f64, E> {
    let start = thread_cpu();
    for _ in 0..CHECKS {
        check()?;
    }
    let spent = thread_cpu().saturating_sub(start).as_secs_f64();
    Ok(spent * 1e3 / f64::from(CHECKS))
}
