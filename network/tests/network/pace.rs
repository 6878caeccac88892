//! Measures, and asserts nothing about time. Run with
//! `cargo test --release -p medanchor-network --test network -- --ignored --nocapture pace`.

use crate::support::{Net, Setup, until};
use bytes::Bytes;
use medanchor_network::Timeouts;
use std::time::{Duration, Instant};

/// User and system time of this process, in clock ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .flat_map(str::parse::<u64>)
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn rate(padding: usize) {
    let timeouts = Timeouts {
        heartbeat: Duration::ZERO,
        ..Timeouts::wide()
    };
    let net = Net::start(Setup {
        timeouts,
        padding,
        ..Setup::new(4)
    })
    .await;
    net.reach(0..4, 5).await;
    let (from, cpu_from, start) = (net.chain(0).height(), cpu(), Instant::now());
    until("enough is measured", || {
        start.elapsed() > Duration::from_secs(5)
    })
    .await;
    let (blocks, took) = (net.chain(0).height() - from, start.elapsed());
    let each = (cpu() - cpu_from).as_secs_f64() * 1000.0 / blocks as f64 / 4.0;
    let rate = blocks as f64 / took.as_secs_f64();
    println!(
        "pace: {padding} bytes a block: {rate:.1} blocks/s, {each:.1} ms of CPU a block a node"
    );
    net.end().await;
}

async fn latency() {
    let timeouts = Timeouts {
        heartbeat: Duration::from_secs(3600),
        ..Timeouts::wide()
    };
    let net = Net::start(Setup {
        timeouts,
        ..Setup::new(4)
    })
    .await;
    net.drive(0..4, 3).await;
    let mut taken = Vec::new();
    for n in 0..50u32 {
        for m in 0..4u8 {
            let handle = net.members[m as usize].handle();
            until("it idles", || handle.status().idle).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let event = Bytes::from(format!("event {n}"));
        let at = (n % 4) as u8;
        let before = net.chain(at).height();
        let start = Instant::now();
        net.members[at as usize].anchor(&event);
        while net.chain(at).height() == before {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        taken.push(start.elapsed());
    }
    taken.sort();
    let (p50, p99) = (taken[25], taken[49]);
    println!("pace: one event, idle network: p50 {p50:.1?}, worst of 50 {p99:.1?}");
    net.end().await;
}

/// A node is stopped, misses fifty blocks, and is started again.
async fn back() {
    let timeouts = Timeouts {
        heartbeat: Duration::from_secs(3600),
        ..Timeouts::default()
    };
    let mut net = Net::start(Setup {
        timeouts,
        ..Setup::new(4)
    })
    .await;
    net.drive(0..4, 3).await;
    net.stop(3).await;
    let height = net.chain(0).height() + 50;
    let start = Instant::now();
    net.drive(0..3, height).await;
    let rate = 50.0 / start.elapsed().as_secs_f64();
    println!("pace: one of four dead and never passed over: {rate:.1} blocks/s");
    net.reboot(3);
    let start = Instant::now();
    net.run(3).await;
    until("it is connected", || {
        net.chain(3).seen().connected.len() == 3
    })
    .await;
    let connected = start.elapsed();
    net.reach([3], height).await;
    let reached = start.elapsed();
    println!(
        "pace: back after a stop: connected in {connected:.1?}, 50 blocks later in {reached:.1?}"
    );
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn pace() {
    latency().await;
    back().await;
    for padding in [0, 150_000, 1 << 20] {
        rate(padding).await;
    }
}
