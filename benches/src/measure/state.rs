//! What a key of the state map costs on disk: look-up and update, saving, memory, disk; and proofs from it.
//!
//! What always holds: keys are new and all over the map, each is looked up first as the rules do, and every
//! save is durable.

use super::map_proofs;
use crate::process::{process_cpu, resident_mib};
use crate::report::{Budget, Section};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::state::{Changes, Path as KeyPath, StateKey, StateMap};
use medanchor_store::Options as StoreOptions;
use medanchor_store::measure::{MapTables, forget_rows};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const KEY: Budget = Budget::AtMost {
    must: 15.0,
    goal: 15.0,
};
/// Keys of a batch that is not measured.
const FILL_BATCH: u32 = 100_000;
/// Rows that are printed.
const ROWS: u32 = 10;

/// The state map that `--only state` measures.
#[derive(Clone, Debug, clap::Args)]
pub struct MapOptions {
    /// Keys of the state map
    #[arg(long, env = "KEYS", default_value_t = 1_000_000)]
    keys: u32,
    /// So many of the keys are put in with few large batches and not measured
    #[arg(long, env = "FILL", default_value_t = 0)]
    fill: u32,
    /// Keys of a batch
    #[arg(long, env = "BATCH", default_value_t = 1000)]
    batch: u32,
    /// Batches of a save
    #[arg(long, env = "PER_SAVE", default_value_t = 10)]
    per_save: u32,
    /// The database's cache
    #[arg(long, env = "CACHE_MIB", default_value_t = 32)]
    cache_mib: u32,
    /// Keep the map of the first keys (--fill) in this folder, and start from a copy of it: two programs
    /// can then be measured in turn on the same bytes
    #[arg(long)]
    store: Option<PathBuf>,
}

impl MapOptions {
    fn check(&self) -> Result<()> {
        ensure!(
            self.batch > 0 && self.per_save > 0,
            "give --batch and --per-save above 0"
        );
        let measured = self
            .keys
            .checked_sub(self.fill)
            .context("give more --keys than --fill")?;
        ensure!(
            measured > 0
                && measured.is_multiple_of(ROWS * self.batch)
                && self.fill.is_multiple_of(self.batch),
            "give --keys and --fill that leave {ROWS} rows of whole batches"
        );
        Ok(())
    }

    fn open(&self, folder: &Path) -> Result<(MapTables, StateMap)> {
        std::fs::create_dir_all(folder)?;
        let options = StoreOptions {
            cache_bytes: (self.cache_mib as usize) << 20,
            ..StoreOptions::default()
        };
        Ok(MapTables::open(folder, options)?)
    }
}

/// Fills a map in `dir`, and proves keys of it.
pub fn measure(options: &MapOptions, dir: &Path) -> Result<Section> {
    options.check()?;
    let folder = dir.join("state");
    let (mut tables, mut map) = filled(options, &folder)?;
    let spent = grow(options, &folder, &mut tables, &mut map)?;
    let title = format!("State map of {} keys on disk", options.keys);
    let workload = format!(
        "new keys of 32 bytes with values of 64, the last {} in batches of {} of which {} are saved together, each looked up first; CPU of the whole process",
        options.keys - options.fill,
        options.batch,
        options.per_save
    );
    let mut section = Section::new(title, workload);
    let keys = f64::from(options.keys - options.fill);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / keys;
    let all = spent.update + spent.pending + spent.save;
    section.add("look-up and update", each(spent.update), "us/key");
    section.add("pending", each(spent.pending), "us/key");
    section.add("saving", each(spent.save), "us/key");
    section.add_with("together", each(all), "us/key", KEY);
    section.add("together, by the clock", each(spent.wall), "us/key");
    section.add("resident", resident(), "MiB");
    section.add("on disk", length(&folder)? as f64 / MIB, "MiB");
    drop(tables);
    forget_rows(&folder)?;
    let start = Instant::now();
    let (_tables, again) = options.open(&folder)?;
    ensure!(again.root() == map.root(), "another map was opened");
    section.add("opened again", start.elapsed().as_secs_f64(), "s");
    section.add("resident then", resident(), "MiB");
    drop(map);
    map_proofs::measure(&again, options.keys, &folder, &mut section)?;
    Ok(section)
}

/// The map of the first keys: made in `folder`, or made where it is kept and copied there.
fn filled(options: &MapOptions, folder: &Path) -> Result<(MapTables, StateMap)> {
    let Some(kept) = &options.store else {
        return fill(options, folder);
    };
    let (map, count) = (kept.join("map"), kept.join("keys"));
    if !count.exists() {
        fill(options, &map)?;
        std::fs::write(&count, options.fill.to_string())?;
    }
    let found = std::fs::read_to_string(&count)?;
    ensure!(
        found == options.fill.to_string(),
        "{} has a map of {found} keys; give --fill {found}, or another --store",
        kept.display()
    );
    copy(&map, folder)?;
    options.open(folder)
}

/// Puts the first keys in with few large batches, which is cheap, so that the rest shows what a large map
/// costs.
fn fill(options: &MapOptions, folder: &Path) -> Result<(MapTables, StateMap)> {
    let (mut tables, mut map) = options.open(folder)?;
    for start in (0..options.fill).step_by(FILL_BATCH as usize) {
        let end = options.fill.min(start.saturating_add(FILL_BATCH));
        let update = map.update(&changes(start..end)?)?;
        tables.absorb(&update);
        map = tables.save(update.map())?;
    }
    Ok((tables, map))
}

/// CPU of the steps, and the time that all took.
#[derive(Default)]
struct Spent {
    update: Duration,
    pending: Duration,
    save: Duration,
    wall: Duration,
}

impl Spent {
    fn add(&mut self, more: &Self) {
        self.update += more.update;
        self.pending += more.pending;
        self.save += more.save;
        self.wall += more.wall;
    }
}

/// Puts the other keys in, batch by batch, and prints a row for each tenth of them.
fn grow(
    options: &MapOptions,
    folder: &Path,
    tables: &mut MapTables,
    map: &mut StateMap,
) -> Result<Spent> {
    println!(
        "\nkeys | look-up and update | pending | save us/key | wall us/key | MiB resident | MiB on disk"
    );
    let step = (options.keys - options.fill) / ROWS;
    let (mut all, mut row, mut start) = (Spent::default(), Spent::default(), Instant::now());
    for number in options.fill / options.batch..options.keys / options.batch {
        let first = number * options.batch;
        let last = number % options.per_save == options.per_save - 1;
        one(first..first + options.batch, last, tables, map, &mut row)?;
        let done = first + options.batch;
        if (done - options.fill).is_multiple_of(step) {
            row.wall = start.elapsed();
            print_row(done, step, &row, folder)?;
            all.add(&std::mem::take(&mut row));
            start = Instant::now();
        }
    }
    Ok(all)
}

/// Puts one batch in, and saves if it is the last of a save.
fn one(
    numbers: std::ops::Range<u32>,
    last: bool,
    tables: &mut MapTables,
    map: &mut StateMap,
    spent: &mut Spent,
) -> Result<()> {
    let changes = changes(numbers)?;
    let start = process_cpu();
    for path in changes.keys() {
        ensure!(map.value(path)?.is_none(), "the rules look first");
    }
    let update = map.update(&changes)?;
    map.apply(&update)?;
    let updated = process_cpu();
    spent.update += updated.saturating_sub(start);
    tables.absorb(&update);
    drop(update);
    let absorbed = process_cpu();
    spent.pending += absorbed.saturating_sub(updated);
    if last {
        *map = tables.save(map)?;
        spent.save += process_cpu().saturating_sub(absorbed);
    }
    Ok(())
}

fn print_row(done: u32, step: u32, row: &Spent, folder: &Path) -> Result<()> {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(step);
    println!(
        "{done} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0}",
        each(row.update),
        each(row.pending),
        each(row.save),
        each(row.wall),
        resident(),
        length(folder)? as f64 / MIB
    );
    Ok(())
}

const MIB: f64 = 1_048_576.0;

fn resident() -> f64 {
    resident_mib(std::process::id()).unwrap_or_default().0
}

fn changes(numbers: std::ops::Range<u32>) -> Result<Changes> {
    let change = |number| {
        let (path, value) = pair(number)?;
        Ok((path, Some(value)))
    };
    numbers.map(change).collect()
}

/// The path of a key and its value.
pub fn pair(number: u32) -> Result<(KeyPath, Vec<u8>)> {
    let key = StateKey::new(&[&[7u8; 28], number.to_be_bytes().as_slice()].concat())?;
    let [.., low] = number.to_be_bytes();
    let value = [[low; 28].as_slice(), &number.to_be_bytes(), &[5; 32]].concat();
    Ok((key.path(), value))
}

/// Bytes of all files below a folder.
fn length(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        sum += match path.is_dir() {
            true => length(&path)?,
            false => path.metadata()?.len(),
        };
    }
    Ok(sum)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &target)?,
            false => drop(std::fs::copy(&path, &target)?),
        }
    }
    Ok(())
}
