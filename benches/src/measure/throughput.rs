//! Events a second under load: real processes, signed events, all of it durable.

use crate::process::{cpu_seconds, resident_mib};
use crate::report::{Budget, Section, percentile};
use anyhow::{Result, ensure};
use medanchor_tests::client::Client;
use medanchor_tests::load::{Load, Observer, Settled, Shape, Target};
use medanchor_tests::network::{Network, PATIENCE};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the nodes are asked how far they are.
const LOOK: Duration = Duration::from_millis(50);
/// The part of the run that counts: the start warms up, the end runs dry.
const STEADY: (f64, f64) = (0.15, 0.9);

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

/// How far the nodes are at one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    /// Entries that every node has published under a quorum.
    published: u64,
    height: u64,
    nodes_cpu: f64,
    own_cpu: f64,
    resident: (f64, f64),
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
    let samples = run(network, plan, &tally)?;
    let refused = tally.refused.load(Ordering::Relaxed);
    ensure!(refused == 0, "{refused} events were refused");
    let steady = steady(&samples, plan.events);
    let (Some(first), Some(last)) = (steady.first(), steady.last()) else {
        anyhow::bail!("the run is too short; give more --events");
    };
    let mut section = section(network, plan, &tally);
    let seconds = (last.at - first.at).as_secs_f64();
    let blocks = last.height.saturating_sub(first.height) as f64;
    let events = last.published.saturating_sub(first.published) as f64 - blocks;
    section.add_with("events anchored", events / seconds, "events/s", plan.budget);
    receipts(&mut section, &tally, first.at, last.at);
    section.add("blocks", blocks / seconds, "blocks/s");
    section.add("events a block", events / blocks.max(1.0), "events");
    let nodes = network.len() as f64;
    let spent = |from: f64, to: f64| (to - from) * 1e6 / events.max(1.0);
    let node = spent(first.nodes_cpu, last.nodes_cpu) / nodes;
    section.add("CPU of each node", node, "us/event");
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
        samples.extend(sample(network, &clients));
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

fn sample(network: &Network, clients: &[Client]) -> Option<Sample> {
    let mut published = u64::MAX;
    let mut height = u64::MAX;
    for client in clients {
        let status = client.status().ok()?;
        published = published.min(status.published);
        height = height.min(status.height);
    }
    let pids: Vec<u32> = (0..network.len())
        .filter_map(|node| network.pid(node))
        .collect();
    let resident = pids.iter().filter_map(|pid| resident_mib(*pid));
    Some(Sample {
        at: Instant::now(),
        published,
        height,
        nodes_cpu: pids.iter().filter_map(|pid| cpu_seconds(*pid)).sum(),
        own_cpu: cpu_seconds(std::process::id()).unwrap_or_default(),
        resident: resident.fold((0.0, 0.0), |most, one| {
            (f64::max(most.0, one.0), f64::max(most.1, one.1))
        }),
    })
}

/// The samples of the steady part at which something new was published: a rate taken between any
/// others would depend on the moments of looking.
fn steady(samples: &[Sample], events: u64) -> Vec<Sample> {
    let events = events as f64;
    let within = (events * STEADY.0) as u64..(events * STEADY.1) as u64;
    let start = samples.first().map_or(0, |first| first.published);
    samples
        .windows(2)
        .filter(|pair| pair[0].published != pair[1].published)
        .map(|pair| pair[1])
        .filter(|sample| within.contains(&(sample.published - start)))
        .collect()
}

fn receipts(section: &mut Section, tally: &Tally, from: Instant, to: Instant) {
    let took = tally.took.lock().unwrap_or_else(PoisonError::into_inner);
    let within = took.iter().filter(|(at, _)| (from..=to).contains(at));
    let mut took: Vec<f64> = within.map(|(_, took)| *took).collect();
    section.add("time to receipt, p50", percentile(&mut took, 0.5), "ms");
    section.add("time to receipt, p99", percentile(&mut took, 0.99), "ms");
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
