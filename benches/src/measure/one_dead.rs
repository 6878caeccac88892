//! Events a second with one of four validators dead, held against the rate before it died.
//!
//! What always holds: one load, posted at the nodes that survive, runs on through both halves, so
//! that nothing changes between them but the death.

use super::look::{LOOK, Steady, all, look};
use super::throughput::Plan;
use crate::report::{Budget, Section};
use anyhow::{Context, Result, ensure};
use medanchor_tests::client::Client;
use medanchor_tests::load::{Load, Observer, Shape, Target};
use medanchor_tests::network::{Network, PATIENCE};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time at the start of each half that does not count.
const SETTLING: Duration = Duration::from_secs(5);
/// Time of each half that counts.
const STEADY: Duration = Duration::from_secs(20);
const PART_OF_FULL: Budget = Budget::AtLeast {
    must: 80.0,
    goal: 95.0,
};

/// Kills the last node under load; it stays dead.
pub fn measure(network: &mut Network, plan: Plan) -> Result<Section> {
    let last = network.len().saturating_sub(1);
    let mut clients = network.clients();
    clients.truncate(last);
    let shape = Shape {
        // As many in all as when every node is loaded.
        connections: (plan.connections * network.len()).div_ceil(last.max(1)),
        batch: plan.batch,
        events: None,
        patience: PATIENCE,
    };
    let refused = Arc::new(AtomicU64::new(0));
    let load = start(network, shape, &clients, &refused)?;
    let full = half(network, &clients, &load);
    network.kill(last);
    let left = half(network, &clients, &load);
    load.stop()?;
    let refused = refused.load(Ordering::Relaxed);
    ensure!(refused == 0, "{refused} events were refused");
    let (full, left) = (rate(&full?), rate(&left?));
    let workload = format!(
        "the same record.seal as above, batches of {} on {} connections at each of {last} nodes; {} s, then SIGKILL for the \
         node that is not posted to, then {} s, after {} s of each that do not count",
        shape.batch,
        shape.connections,
        STEADY.as_secs(),
        STEADY.as_secs(),
        SETTLING.as_secs(),
    );
    let title = format!("One of {} validators dead", network.len());
    let mut section = Section::new(title, workload);
    section.add("events anchored, all alive", full, "events/s");
    section.add("events anchored, one dead", left, "events/s");
    let name = "of the full rate, one dead";
    section.add_with(name, left / full * 100.0, "%", PART_OF_FULL);
    Ok(section)
}

fn start(
    network: &Network,
    shape: Shape,
    clients: &[Client],
    refused: &Arc<AtomicU64>,
) -> Result<Load> {
    let targets = clients.iter().cloned().zip(network.authors()?);
    let targets = targets.map(|(client, author)| Target { client, author });
    let refused = Arc::clone(refused);
    let observer: Observer = Arc::new(move |settled| {
        let failed = settled
            .results
            .iter()
            .filter(|one| one.anchored().is_none());
        refused.fetch_add(failed.count() as u64, Ordering::Relaxed);
    });
    Ok(Load::start(shape, targets.collect(), &observer))
}

/// Looks on until the load has run steadily for long enough.
fn half(network: &Network, clients: &[Client], load: &Load) -> Result<Steady> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < SETTLING + STEADY {
        ensure!(load.is_running(), "the load ended:\n{}", network.said());
        std::thread::sleep(LOOK);
        if start.elapsed() >= SETTLING {
            samples.extend(look(network, clients));
        }
    }
    all(&samples).with_context(|| format!("nothing was published:\n{}", network.said()))
}

fn rate(steady: &Steady) -> f64 {
    steady.events() / steady.seconds()
}
