//! What the state map costs on disk, and a proof from it. Not a test of the product: run it with
//! `cargo test -p medanchor-store --release --lib -- --ignored --nocapture state_map_cost`; before it
//! `KEYS=10000000` for more keys, and `FILL=9800000` to put that many of them in with few large batches
//! and measure the rest.

use crate::Options;
use crate::pending::{Fresh, Pending};
use crate::tables::{Batch, Tables};
use medanchor_ledger::NetworkId;
use medanchor_ledger::state::{Changes, StateKey, StateMap, StateProof};
use std::time::{Duration, Instant};

/// The allocator of the binaries.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU of this process in microseconds, user and system.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let on_cpu: u64 = text.split(' ').next().unwrap().parse().unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let all: u64 = tasks
        .filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    all.max(on_cpu) / 1000
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

fn disk(folder: &std::path::Path) -> u64 {
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            disk(&path)
        } else {
            path.metadata().unwrap().len()
        }
    };
    std::fs::read_dir(folder).unwrap().map(size).sum()
}

const FILL_BATCH: u32 = 100_000;

fn save(tables: &Tables, map: &StateMap) -> StateMap {
    let batch = Batch {
        fresh: &Fresh::default(),
        map,
        head: b"head",
        log: b"log",
    };
    let (_, moves) = tables.save(batch).unwrap();
    map.moved(&moves)
}

#[test]
#[ignore = "a measurement"]
fn state_map_cost() {
    let number = |name: &str, default: u32| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (total, batch) = (number("KEYS", 1_000_000), number("BATCH", 1000));
    let (per_save, cache) = (number("PER_SAVE", 10), number("CACHE_MIB", 32));
    let base = env!("CARGO_MANIFEST_DIR");
    let folder = tempfile::tempdir_in(format!("{base}/../target")).unwrap();
    let network = NetworkId::new([1; 16]);
    let options = Options {
        cache_bytes: (cache as usize) << 20,
        ..Options::default()
    };
    let (tables, _, mut map) = Tables::open(folder.path(), network, options).unwrap();
    let mut pending = Pending::default();
    let (mut update_cpu, mut pending_cpu, mut save_cpu) = (0, 0, 0);
    println!(
        "keys | look-up and update | pending | save us/key | wall us/key | MiB resident | MiB on disk"
    );
    // Put in with few large batches, which is cheap, so that the rest shows what a large map costs.
    let filled = number("FILL", 0);
    for start in (0..filled).step_by(FILL_BATCH as usize) {
        let changes: Changes = (start..filled.min(start + FILL_BATCH))
            .map(|n| {
                let (path, value) = pair(n);
                (path, Some(value))
            })
            .collect();
        map = save(&tables, map.update(&changes).unwrap().map());
    }
    let (step, mut wall) = ((total - filled) / 10, Instant::now());
    for number in filled / batch..total / batch {
        let change = |n: u32| {
            let (path, value) = pair(n);
            (path, Some(value))
        };
        let first = number * batch;
        let changes: Changes = (first..first + batch).map(change).collect();
        let start = cpu();
        for path in changes.keys() {
            assert_eq!(map.value(path).unwrap(), None, "the rules look first");
        }
        let update = map.update(&changes).unwrap();
        map.apply(&update).unwrap();
        let updated = cpu();
        update_cpu += updated - start;
        pending.absorb_update(&update);
        drop(update);
        let absorbed = cpu();
        pending_cpu += absorbed - updated;
        if number % per_save == per_save - 1 {
            pending = Pending::default();
            map = save(&tables, &map);
            save_cpu += cpu() - absorbed;
        }
        let done = first + batch;
        if (done - filled) % step == 0 {
            let per_key = |micros: u64| micros as f64 / f64::from(step);
            let disk = disk(folder.path()) >> 20;
            println!(
                "{done} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {disk}",
                per_key(update_cpu),
                per_key(pending_cpu),
                per_key(save_cpu),
                wall.elapsed().as_micros() as f64 / f64::from(step),
                resident()
            );
            (update_cpu, pending_cpu, save_cpu, wall) = (0, 0, 0, Instant::now());
        }
    }
    drop(tables);
    forget_pages(&folder.path().join("rows"));
    let start = Instant::now();
    let (_tables, _, again) = Tables::open(folder.path(), network, options).unwrap();
    assert_eq!(again.root(), map.root());
    println!(
        "opened again in {:?}, {} MiB resident",
        start.elapsed(),
        resident()
    );
    drop(map);
    println!("proofs whose rows the system had to read from the disk:");
    prove(&again, total, 0);
    read_bare(&folder.path().join("rows"));
    read_pages(&folder.path().join("rows"));
    println!("proofs whose rows the system had in memory:");
    prove(&again, total, 1);
}

/// What the disk takes for a page that the system does not have: what a proof takes beside it is ours.
fn read_bare(rows: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    const PAGE: u64 = 4096;
    forget_pages(rows);
    let open = |entry: std::io::Result<std::fs::DirEntry>| {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        crate::rows::expect_no_order(&file);
        let pages = file.metadata().unwrap().len() / PAGE;
        (file, pages.max(1))
    };
    let files: Vec<_> = std::fs::read_dir(rows).unwrap().map(open).collect();
    let mut page = [0; PAGE as usize];
    let read = |number: u64| {
        let spread = number * 2_654_435_761;
        let (file, pages) = &files[usize::try_from(spread).unwrap() % files.len()];
        let start = Instant::now();
        file.read_at(&mut page, spread / 7 % pages * PAGE).unwrap();
        start.elapsed()
    };
    let mut times: Vec<_> = (0..2000).map(read).collect();
    times.sort();
    let (p50, p99) = (times[1000], times[1980]);
    println!("a page read from the disk, and nothing else: p50 {p50:?}, p99 {p99:?}");
}

/// Makes the system hold every row in memory.
fn read_pages(rows: &std::path::Path) {
    for entry in std::fs::read_dir(rows).unwrap() {
        let mut file = std::fs::File::open(entry.unwrap().path()).unwrap();
        std::io::copy(&mut file, &mut std::io::sink()).unwrap();
    }
}

/// Makes the system read rows from the disk again.
fn forget_pages(rows: &std::path::Path) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    for entry in std::fs::read_dir(rows).unwrap() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        file.sync_all().unwrap();
        let all = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(&file, 0, 0, all).unwrap();
    }
}

/// Keys all over the map, every second one absent; each in a bucket that hardly anybody asked for
/// before. Another series is of other keys.
fn prove(map: &StateMap, total: u32, series: u64) {
    let count = 2000;
    let (mut makes, mut checks, mut bytes) = (Vec::new(), Vec::new(), 0);
    for number in 0..count {
        let spread = (u64::from(number) + 2000 * series) * 2_654_435_761 % u64::from(total);
        let at = u32::try_from(spread).unwrap() + if number % 2 == 0 { 0 } else { total };
        let (path, value) = pair(at);
        let value = Some(value).filter(|_| at < total);
        let start = Instant::now();
        let proof = map.prove(&path).unwrap().encode();
        makes.push(start.elapsed());
        let start = Instant::now();
        let read = StateProof::decode(&proof).unwrap();
        let verdict = read.verify(&map.root(), &path, value.as_deref());
        checks.push(start.elapsed());
        assert_eq!(verdict, Ok(()));
        bytes += proof.len();
    }
    for (what, mut times) in [("make", makes), ("check", checks)] {
        times.sort();
        let mean = times.iter().sum::<Duration>() / count;
        let at = |part: usize| times[times.len() * part / 100];
        println!(
            "a proof, to {what}: mean {mean:?}, p50 {:?}, p99 {:?}",
            at(50),
            at(99)
        );
    }
    println!("a proof has {} bytes", bytes / count as usize);
}

/// The key's path and its value.
fn pair(number: u32) -> (medanchor_ledger::state::Path, Vec<u8>) {
    let key = StateKey::new(&[&[7u8; 28], number.to_be_bytes().as_slice()].concat()).unwrap();
    let value = [
        [number as u8; 28].as_slice(),
        &number.to_be_bytes(),
        &[5; 32],
    ]
    .concat();
    (key.path(), value)
}
