//! Power cuts under load: events are posted at every node while validators are killed with SIGKILL
//! at random moments, one, two or all at once, and started again. Nothing that was acknowledged is
//! lost, no restart needs help, and all nodes end on the same root.
//!
//! The moments are counted in anchored events and drawn from a seed, which is printed.
//! `MEDANCHOR_KILLS` and `MEDANCHOR_SEED` change both; `tests/kill-nine.sh` does it for the long run.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::event::{Event, MAX_EVENT_BYTES};
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::note::Note;
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::{EventId, Index, sha256};
use medanchor_sdk::{Policy, verify_receipt};
use medanchor_store::LogReader;
use medanchor_tests::client::Client;
use medanchor_tests::load::{Load, Observer, Settled, Shape, Target};
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VALIDATORS: usize = 4;
const SHORT_KILLS: usize = 8;
/// Events anchored between one blow and the next, at most.
const MOST_BETWEEN: u64 = 400;
/// How long a batch may be posted again: the whole network may be down and come back meanwhile.
const BATCH_PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn no_acknowledged_event_is_lost_by_kills_at_random_moments() -> Result<()> {
    let kills = setting("MEDANCHOR_KILLS")?.map_or(SHORT_KILLS, |kills| kills as usize);
    let seed = match setting("MEDANCHOR_SEED")? {
        Some(seed) => seed,
        None => u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()),
    };
    println!("{kills} kills, seed {seed}");
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), VALIDATORS, |_| {})?;
    match scenario(&mut network, kills, Dice { seed, drawn: 0 }) {
        Ok(table) => {
            println!("{table}");
            Ok(())
        }
        Err(error) => {
            let kept = dir.keep();
            let said = network.said();
            Err(error.context(format!("seed {seed}, kept {}\n{said}", kept.display())))
        }
    }
}

fn setting(name: &str) -> Result<Option<u64>> {
    let value = std::env::var(name).ok();
    value
        .map(|text| text.parse().context(name.to_owned()))
        .transpose()
}

/// Random numbers that a seed gives again.
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: u64) -> u64 {
        self.drawn += 1;
        let hash = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
        let start: [u8; 8] = std::array::from_fn(|place| hash[place]);
        u64::from_be_bytes(start) % limit
    }

    fn node(&mut self) -> usize {
        self.below(VALIDATORS as u64) as usize
    }
}

/// What clients were told.
#[derive(Default)]
struct Told {
    count: AtomicU64,
    anchored: Mutex<BTreeMap<EventId, Index>>,
    receipts: Mutex<Vec<(Event, Vec<u8>)>>,
    refused: Mutex<Vec<String>>,
}

impl Told {
    fn note(&self, settled: &Settled<'_>, client: &Client) {
        let mut anchored = self.anchored.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, result) in settled.events.iter().zip(settled.results) {
            match result.anchored() {
                Some(index) => {
                    anchored.insert(event.id(), index);
                }
                None => {
                    let text = format!("{:?}", result.problem);
                    let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    refused.push(text);
                }
            }
        }
        drop(anchored);
        // The node may be dead by now; the receipt of another batch will do.
        let first = settled.events.first();
        if let Some((event, Ok(receipt))) = first.map(|event| (event, client.receipt(&event.id())))
        {
            let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
            receipts.push((event.clone(), receipt));
        }
        self.count
            .fetch_add(settled.events.len() as u64, Ordering::Relaxed);
    }

    fn wait_for_more(&self, events: u64) -> Result<()> {
        let goal = self.count.load(Ordering::Relaxed) + events;
        wait_for("the anchoring of more events", PATIENCE, || {
            Ok(self.count.load(Ordering::Relaxed) >= goal)
        })
    }
}

/// How the blows went.
#[derive(Default)]
struct Blows {
    kills: [usize; VALIDATORS],
    pairs: usize,
    all: usize,
    restarts: Vec<Duration>,
}

fn scenario(network: &mut Network, kills: usize, mut dice: Dice) -> Result<String> {
    let start = Instant::now();
    let told = Arc::new(Told::default());
    let load = post(network, &told)?;
    let mut blows = Blows::default();
    told.wait_for_more(1)?;
    while blows.kills.iter().sum::<usize>() < kills {
        told.wait_for_more(1 + dice.below(MOST_BETWEEN))?;
        strike(network, &told, &mut dice, &mut blows)?;
    }
    told.wait_for_more(1)?;
    load.stop()?;
    let sizes = settle(network)?;
    let lasted = start.elapsed();
    ensure!(network.stop(), "a node did not stop by itself");
    let refused = told.refused.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(refused.is_empty(), "refused: {:?}", refused.first());
    let anchored = told.anchored.lock().unwrap_or_else(PoisonError::into_inner);
    for node in 0..network.len() {
        holds_all(&network.node(node).home.log(), &anchored)
            .with_context(|| format!("the log of {}", network.node(node).name))?;
    }
    let receipts = verify_receipts(network, &told)?;
    audit(network)?;
    Ok(table(&blows, anchored.len(), receipts, sizes, lasted))
}

/// Small batches, so that kills fall between any two steps of many blocks.
fn post(network: &Network, told: &Arc<Told>) -> Result<Load> {
    let shape = Shape {
        connections: 2,
        batch: 10,
        events: None,
        patience: BATCH_PATIENCE,
    };
    let clients = network.clients();
    let targets = clients.iter().cloned().zip(network.authors()?);
    let targets = targets.map(|(client, author)| Target { client, author });
    let told = Arc::clone(told);
    let receipts_from = clients.clone();
    let observer: Observer =
        Arc::new(move |settled| told.note(settled, &receipts_from[settled.node]));
    Ok(Load::start(shape, targets.collect(), &observer))
}

/// Kills one node, two, or all, and starts them again: at once, or after the others went on.
fn strike(network: &mut Network, told: &Told, dice: &mut Dice, blows: &mut Blows) -> Result<()> {
    let first = dice.node();
    let victims: Vec<usize> = match dice.below(10) {
        0 => (0..VALIDATORS).collect(),
        1 => vec![first, (first + 1 + dice.below(3) as usize) % VALIDATORS],
        _ => vec![first],
    };
    for node in &victims {
        network.kill(*node);
        blows.kills[*node] += 1;
    }
    match victims.len() {
        1 if dice.below(2) == 0 => told.wait_for_more(1 + dice.below(MOST_BETWEEN))?,
        1 => {}
        2 => blows.pairs += 1,
        _ => blows.all += 1,
    }
    for node in victims {
        let start = Instant::now();
        network.restart(node)?;
        blows.restarts.push(start.elapsed());
    }
    Ok(())
}

/// Waits until all nodes take part and have published all they have; gives size and height.
fn settle(network: &mut Network) -> Result<(u64, u64)> {
    for node in 0..network.len() {
        network.wait_until_node_is_ready(node)?;
    }
    let clients = network.clients();
    let same = |statuses: &[medanchor_node::http::service::Status]| {
        statuses.windows(2).all(|pair| {
            let of = |status: &medanchor_node::http::service::Status| {
                (
                    status.size,
                    status.root.clone(),
                    status.state_root.clone(),
                    status.published,
                )
            };
            of(&pair[0]) == of(&pair[1])
        }) && statuses
            .iter()
            .all(|status| status.published == status.size)
    };
    let mut ended = (0, 0);
    wait_for("one root on all nodes", PATIENCE, || {
        let statuses = clients
            .iter()
            .map(Client::status)
            .collect::<Result<Vec<_>>>()?;
        ended = statuses
            .first()
            .map_or(ended, |first| (first.size, first.height));
        Ok(same(&statuses) && same_checkpoints(&clients)?)
    })?;
    Ok(ended)
}

fn same_checkpoints(clients: &[Client]) -> Result<bool> {
    let read = |client: &Client| -> Result<Checkpoint> {
        Ok(Note::parse(&client.get("/checkpoint")?)?.text().parse()?)
    };
    let checkpoints = clients.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(checkpoints.windows(2).all(|pair| pair[0] == pair[1]))
}

/// Every event that a client was told to be anchored stands in this published log, at its place.
fn holds_all(folder: &Path, anchored: &BTreeMap<EventId, Index>) -> Result<()> {
    let log = LogReader::new(folder);
    let note = Note::parse(&log.checkpoint()?.context("no checkpoint")?)?;
    let size = note.text().parse::<Checkpoint>()?.size;
    let mut found = 0;
    let mut index = 0;
    for bundle in BundleId::grown(medanchor_ledger::Size(0), size) {
        log.entries(bundle, |entries| -> Result<()> {
            for entry in entries {
                if EntryKind::of(entry) == EntryKind::Event && entry.len() <= MAX_EVENT_BYTES {
                    let id = Event::decode(entry)?.id();
                    found += usize::from(anchored.get(&id) == Some(&Index(index)));
                }
                index += 1;
            }
            Ok(())
        })??;
    }
    match anchored.len() - found {
        0 => Ok(()),
        lost => bail!("{lost} of {} acknowledged events are lost", anchored.len()),
    }
}

fn verify_receipts(network: &Network, told: &Told) -> Result<usize> {
    let policy = Policy::parse(&std::fs::read(network.layout().dir.join("policy"))?)?;
    let receipts = told.receipts.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(!receipts.is_empty(), "no receipt could be fetched");
    for (event, receipt) in receipts.iter() {
        verify_receipt(&policy, event.encoded(), receipt)?;
    }
    Ok(receipts.len())
}

fn audit(network: &Network) -> Result<()> {
    let output = Command::new(binary("medanchor-audit")?)
        .arg("verify")
        .arg(network.node(0).home.log())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the audit fails: {said}");
    Ok(())
}

fn table(
    blows: &Blows,
    events: usize,
    receipts: usize,
    (size, height): (u64, u64),
    lasted: Duration,
) -> String {
    let mut restarts = blows.restarts.clone();
    restarts.sort_unstable();
    let restart = |share: usize| {
        let place = (restarts.len() * share / 100).min(restarts.len().saturating_sub(1));
        restarts.get(place).map_or(0, Duration::as_millis)
    };
    let rows = [
        (
            "kills (SIGKILL)",
            format!(
                "{}, by validator {:?}",
                blows.kills.iter().sum::<usize>(),
                blows.kills
            ),
        ),
        (
            "of them at once",
            format!(
                "{} pairs, {} times all {VALIDATORS}",
                blows.pairs, blows.all
            ),
        ),
        ("restarts that needed help", "0".into()),
        (
            "restart until it listens",
            format!(
                "p50 {} ms, p99 {} ms, slowest {} ms",
                restart(50),
                restart(99),
                restart(100)
            ),
        ),
        ("events acknowledged", events.to_string()),
        ("of them lost, on any node", "0".into()),
        ("receipts verified offline", receipts.to_string()),
        (
            "one root on all nodes at",
            format!("{size} entries, height {height}"),
        ),
        ("full audit of one log", "passes".into()),
        ("lasted", format!("{:.1} s", lasted.as_secs_f64())),
    ];
    let line = |(name, value): &(&str, String)| format!("  {name:<28} {value}\n");
    rows.iter().map(line).collect()
}
