//! How far nodes under load are, looked at again and again.

use crate::process::{cpu_seconds, resident_mib};
use medanchor_tests::client::Client;
use medanchor_tests::network::Network;
use std::time::{Duration, Instant};

/// How often the nodes are asked how far they are.
pub const LOOK: Duration = Duration::from_millis(50);
/// The part of the run that counts: the start warms up, the end runs dry.
const STEADY: (f64, f64) = (0.15, 0.9);

/// How far the nodes are at one moment.
#[derive(Clone, Copy)]
pub struct Sample {
    /// When they were asked.
    pub at: Instant,
    /// Entries that every node has published under a quorum.
    pub published: u64,
    /// The lowest height of a node.
    pub height: u64,
    /// CPU seconds of all nodes.
    pub nodes_cpu: f64,
    /// CPU seconds of this process.
    pub own_cpu: f64,
    /// The most memory of a node, MiB: all of it, and what is not backed by files.
    pub resident: (f64, f64),
}

/// Asks the nodes behind `clients` how far they are; none if one gave no answer.
pub fn look(network: &Network, clients: &[Client]) -> Option<Sample> {
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

/// The first and the last sample that count in a run.
pub struct Steady {
    /// The first.
    pub first: Sample,
    /// The last.
    pub last: Sample,
}

impl Steady {
    /// Seconds between the two.
    pub fn seconds(&self) -> f64 {
        (self.last.at - self.first.at).as_secs_f64()
    }

    /// Blocks decided between the two.
    pub fn blocks(&self) -> f64 {
        self.last.height.saturating_sub(self.first.height) as f64
    }

    /// Events published between the two: entries without the seals of their blocks.
    pub fn events(&self) -> f64 {
        self.last.published.saturating_sub(self.first.published) as f64 - self.blocks()
    }
}

/// The samples at which something new was published: a rate taken between any others would depend
/// on the moments of looking.
fn moves(samples: &[Sample]) -> impl DoubleEndedIterator<Item = Sample> {
    let pairs = samples.windows(2);
    let moved = pairs.filter(|pair| pair[0].published != pair[1].published);
    moved.map(|pair| pair[1])
}

fn ends(mut moves: impl DoubleEndedIterator<Item = Sample>) -> Option<Steady> {
    let first = moves.next()?;
    let last = moves.next_back()?;
    Some(Steady { first, last })
}

/// The steady part of a run of so many events.
pub fn steady(samples: &[Sample], events: u64) -> Option<Steady> {
    let events = events as f64;
    let within = (events * STEADY.0) as u64..(events * STEADY.1) as u64;
    let start = samples.first().map_or(0, |first| first.published);
    ends(moves(samples).filter(|sample| within.contains(&(sample.published - start))))
}

/// All of a run that was steady when it was first looked at.
pub fn all(samples: &[Sample]) -> Option<Steady> {
    ends(moves(samples))
}
