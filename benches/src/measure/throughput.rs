//! Events a second under load: real processes, signed events, all of it durable.

use super::look::{LOOK, Sample, Steady, look, steady};
use crate::process::cpu_seconds_by_thread;
use crate::report::{Budget, Section, percentile};
use anyhow::{Result, ensure};
use medanchor_tests::load::{Load, Observer, Settled, Shape, Target};
use medanchor_tests::network::{Network, PATIENCE};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The load on one network.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Events in all.
    pub events: u64,
    /// Batches on their way to each node.
    pub connections: usize,
    /// Events of a batch.
    pub batch: usize,
    /// What the design asks.
    pub budget: Budget,
}

/// What settled batches add up to.
#[derive(Default)]
struct Tally {
    events: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    took: Mutex<Vec<(Instant, f64)>>,
    size: AtomicUsize,
}

/// Loads the network and measures.
pub fn measure(network: &Network, plan: Plan) -> Result<Section> {
    let tally = Arc::new(Tally::default());
    let before = by_thread(network);
    let samples = run(network, plan, &tally)?;
    let after = by_thread(network);
    let refused = tally.refused.load(Ordering::Relaxed);
    ensure!(refused == 0, "{refused} events were refused");
    let Some(steady) = steady(&samples, plan.events) else {
        anyhow::bail!("the run is too short; give more --events");
    };
    let mut section = section(network, plan, &tally);
    let Steady { first, last } = steady;
    let (seconds, blocks, events) = (steady.seconds(), steady.blocks(), steady.events());
    section.add_with("events anchored", events / seconds, "events/s", plan.budget);
    receipts(&mut section, &tally, first.at, last.at);
    section.add("blocks", blocks / seconds, "blocks/s");
    section.add("events a block", events / blocks.max(1.0), "events");
    let nodes = network.len() as f64;
    let spent = |from: f64, to: f64| (to - from) * 1e6 / events.max(1.0);
    let node = spent(first.nodes_cpu, last.nodes_cpu) / nodes;
    section.add("CPU of each node", node, "us/event");
    threads(&mut section, &before, &after, plan.events as f64 * nodes);
    let own = spent(first.own_cpu, last.own_cpu);
    section.add("CPU of the load (signing, HTTP)", own, "us/event");
    let busy = (last.nodes_cpu - first.nodes_cpu + last.own_cpu - first.own_cpu) / seconds;
    section.add("cores busy with nodes and load", busy, "cores");
    section.add("steady window", seconds, "s");
    memory(&mut section, &samples);
    Ok(section)
}

fn section(network: &Network, plan: Plan, tally: &Tally) -> Section {
    let nodes = network.len();
    let workload = format!(
        "{} record.seal of {nodes} participants, {} bytes each, signed by the load and checked by every node; \
         batches of {} on {} kept connections a node, each waited for until all its receipts are there; durable; \
         load on the same machine",
        tally.events.load(Ordering::Relaxed),
        tally.size.load(Ordering::Relaxed),
        plan.batch,
        plan.connections,
    );
    let title = match nodes {
        1 => "One validator under load".into(),
        nodes => format!("{nodes} validators under load"),
    };
    Section::new(title, workload)
}

fn run(network: &Network, plan: Plan, tally: &Arc<Tally>) -> Result<Vec<Sample>> {
    let shape = Shape {
        connections: plan.connections,
        batch: plan.batch,
        events: Some(plan.events),
        patience: PATIENCE,
    };
    let targets = network.clients().into_iter().zip(network.authors()?);
    let targets = targets.map(|(client, author)| Target { client, author });
    let told = Arc::clone(tally);
    let observer: Observer = Arc::new(move |settled| told.add(settled));
    let clients = network.clients();
    let load = Load::start(shape, targets.collect(), &observer);
    let mut samples = Vec::new();
    while load.is_running() {
        samples.extend(look(network, &clients));
        std::thread::sleep(LOOK);
    }
    load.join()?;
    Ok(samples)
}

impl Tally {
    fn add(&self, settled: &Settled<'_>) {
        let anchored = settled
            .results
            .iter()
            .filter(|one| one.anchored().is_some());
        let anchored = anchored.count() as u64;
        self.events.fetch_add(anchored, Ordering::Relaxed);
        let refused = settled.results.len() as u64 - anchored;
        if refused > 0 && self.refused.fetch_add(refused, Ordering::Relaxed) == 0 {
            let first = settled.results.iter().find_map(|one| one.problem.as_ref());
            eprintln!("refused: {first:?}");
        }
        let size = settled
            .events
            .first()
            .map_or(0, |event| event.encoded().len());
        self.size.store(size, Ordering::Relaxed);
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
        let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        took.push((Instant::now(), settled.took.as_secs_f64() * 1e3));
    }
}

fn receipts(section: &mut Section, tally: &Tally, from: Instant, to: Instant) {
    let took = tally.took.lock().unwrap_or_else(PoisonError::into_inner);
    let within = took.iter().filter(|(at, _)| (from..=to).contains(at));
    let mut took: Vec<f64> = within.map(|(_, took)| *took).collect();
    section.add("time to receipt, p50", percentile(&mut took, 0.5), "ms");
    section.add("time to receipt, p99", percentile(&mut took, 0.99), "ms");
}

fn by_thread(network: &Network) -> BTreeMap<String, f64> {
    let mut sum = BTreeMap::new();
    let pids = (0..network.len()).filter_map(|node| network.pid(node));
    for (name, seconds) in pids.flat_map(cpu_seconds_by_thread) {
        *sum.entry(name).or_default() += seconds;
    }
    sum
}

/// What each kind of thread of a node used in the whole run, if that was anything much.
fn threads(
    section: &mut Section,
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    executed: f64,
) {
    for (name, after) in after {
        let before = before.get(name).copied().unwrap_or_default();
        let each = (after - before) * 1e6 / executed.max(1.0);
        if each >= 0.5 {
            section.add(format!("  its threads `{name}`"), each, "us/event");
        }
    }
}

/// Memory at half of the run and at its end shows whether it grows with the log.
fn memory(section: &mut Section, samples: &[Sample]) {
    let half = samples.get(samples.len() / 2);
    for (when, sample) in [("half of the run", half), ("its end", samples.last())] {
        let Some(sample) = sample else { continue };
        let name = format!("memory of a node (RSS) at {when}");
        section.add(name, sample.resident.0, "MiB");
        let name = format!("of it not backed by files, at {when}");
        section.add(name, sample.resident.1, "MiB");
    }
}
