//! One event at a time on an idle network: posted, and waited for until its receipt is there.

use crate::report::{Budget, Section, percentile};
use anyhow::{Context, Result};
use medanchor_tests::network::Network;
use std::time::Instant;

/// Events that are posted, one after the other.
const SAMPLES: usize = 200;
/// Events before those that count.
const WARM_UP: usize = 5;
const P50: Budget = Budget::AtMost {
    must: 150.0,
    goal: 40.0,
};
const P99: Budget = Budget::AtMost {
    must: 500.0,
    goal: 500.0,
};

/// Posts events at one node after the other.
pub fn measure(network: &Network) -> Result<Section> {
    let authors = network.authors()?;
    let clients = network.clients();
    let mut times = Vec::with_capacity(SAMPLES);
    for number in 0..WARM_UP + SAMPLES {
        let node = number % network.len();
        let author = authors.get(node).context("an author for each node")?;
        let client = clients.get(node).context("a client for each node")?;
        let event = author.seal()?;
        let start = Instant::now();
        client.anchor(&event)?;
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let workload = format!(
        "{SAMPLES} record.seal, one at a time, posted at each node in turn and waited for; signatures checked; durable on every node"
    );
    let title = format!("One event, {} validators, idle network", network.len());
    let mut section = Section::new(title, workload);
    section.add_with(
        "time to receipt, p50",
        percentile(&mut times, 0.5),
        "ms",
        P50,
    );
    section.add_with(
        "time to receipt, p99",
        percentile(&mut times, 0.99),
        "ms",
        P99,
    );
    Ok(section)
}
