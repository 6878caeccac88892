//! Metrics: names, meanings, and what is measured when somebody asks.
//!
//! What always holds: no label or name holds anything about a person, and labels take few values.

use crate::chain::Shared;
use crate::exit::{Exit, Fatal};
use medanchor_ledger::execute::View;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of latency buckets, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// Starts to measure; once in a process.
///
/// # Errors
/// If something else measures already.
pub fn install() -> Result<PrometheusHandle, Fatal> {
    let failed = |what: String| Fatal::new(Exit::Failure, format!("metrics did not start: {what}"));
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
        .map_err(|error| failed(error.to_string()))?
        .install_recorder()
        .map_err(|error| failed(error.to_string()))?;
    describe();
    Ok(handle)
}

fn describe() {
    metrics::describe_gauge!("medanchor_height", "Height of the newest decided block");
    metrics::describe_gauge!("medanchor_log_size", "Entries decided");
    metrics::describe_gauge!(
        "medanchor_published_size",
        "Entries under a published checkpoint"
    );
    metrics::describe_gauge!(
        "medanchor_object_store_size",
        "Entries under the checkpoint that the object store has"
    );
    metrics::describe_gauge!(
        "medanchor_object_store_behind_entries",
        "Entries published here that the object store has not"
    );
    metrics::describe_counter!(
        "medanchor_object_store_rounds_total",
        "Rounds of pushing to the object store that came to their end"
    );
    metrics::describe_counter!(
        "medanchor_object_store_failures_total",
        "Rounds that failed, by kind: conflict means that the store has another log"
    );
    metrics::describe_gauge!("medanchor_pool_events", "Events that wait for a block");
    metrics::describe_gauge!(
        "medanchor_pool_bytes",
        "Bytes of events that wait for a block"
    );
    metrics::describe_gauge!("medanchor_peers_connected", "Connected peers");
    metrics::describe_gauge!("medanchor_process_resident_bytes", "Memory of the process");
    metrics::describe_counter!("medanchor_blocks_total", "Blocks committed by this process");
    metrics::describe_counter!(
        "medanchor_events_anchored_total",
        "Events in committed blocks"
    );
    metrics::describe_counter!(
        "medanchor_events_admitted_total",
        "Events taken into the pool"
    );
    metrics::describe_counter!(
        "medanchor_events_refused_total",
        "Events refused at the door"
    );
    metrics::describe_counter!(
        "medanchor_events_rejected_total",
        "Events refused by a rule"
    );
    metrics::describe_gauge!(
        "medanchor_witness_size",
        "Entries under the checkpoint that an outside witness cosigned last"
    );
    metrics::describe_counter!(
        "medanchor_witness_answers_total",
        "Answers of an outside witness, by status or trouble"
    );
    metrics::describe_counter!("medanchor_misbehaviour_total", "Proofs of double signing");
    metrics::describe_counter!(
        "medanchor_http_requests_total",
        "HTTP requests by status class"
    );
    metrics::describe_counter!(
        "medanchor_http_refused_total",
        "HTTP requests refused, by code"
    );
    metrics::describe_histogram!("medanchor_http_request_seconds", "Time to answer a request");
    metrics::describe_histogram!("medanchor_block_build_seconds", "Time to build a candidate");
    metrics::describe_histogram!("medanchor_block_check_seconds", "Time to judge a block");
    metrics::describe_histogram!(
        "medanchor_block_commit_seconds",
        "Time to make a block durable"
    );
    metrics::describe_histogram!("medanchor_publish_seconds", "Time to publish a checkpoint");
    metrics::describe_histogram!(
        "medanchor_receipt_seconds",
        "Time from post to receipt, where the client waited"
    );
}

/// The metrics of now as text.
#[must_use]
pub fn render(handle: &PrometheusHandle, shared: &Shared) -> String {
    // Gauges are approximate by nature; a float holds them well enough.
    let gauge = |number: u64| number as f64;
    let head_height = shared.store.view().head().height.0;
    metrics::gauge!("medanchor_height").set(gauge(head_height));
    if let Some(network) = shared.network.get() {
        let connected = network
            .status()
            .peers
            .iter()
            .filter(|peer| peer.connected)
            .count();
        metrics::gauge!("medanchor_peers_connected").set(gauge(connected as u64));
    }
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!("medanchor_process_resident_bytes").set(gauge(bytes));
    }
    handle.run_upkeep();
    handle.render()
}

/// Resident memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
