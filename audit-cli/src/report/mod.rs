//! `report`: what a ledger says, as one page for print, as CSV and as JSON.
//!
//! What always holds: a report is written only of a log that was verified whole, by the rules; each
//! file is written aside and renamed into place, so that it is the whole report or none.

pub(crate) mod args;
mod clock;
mod gaps;
mod gather;
mod page;
mod plot;
mod reviews;
mod spread;
mod table;
mod tables;
mod timeline;
mod words;

use crate::fault::{Failure, Trouble};
use crate::language::Language;
use crate::opened::Log;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE, cosigned, output};
use args::ReportArgs;
use clock::{Clock, Period};
use gather::Gathered;
use medanchor_ledger::Time;
use page::Page;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tables::Tables;
use words::words;

/// Where the page goes if nothing else was asked for.
const PAGE: &str = "medanchor-report.html";

/// Audits the log, writes the report, and gives the exit code.
pub(crate) fn run(args: &ReportArgs) -> u8 {
    if args.from.zip(args.to).is_some_and(|(from, to)| from > to) {
        eprintln!("--from is after --to; no day is in between");
        return EXIT_USAGE;
    }
    let _ = medanchor_store::raise_open_files();
    match report(args) {
        Ok(written) => output::print(EXIT_GOOD, |out| {
            written
                .iter()
                .try_for_each(|path| writeln!(out, "wrote {}", path.display()))
        }),
        Err(Failure::Fault(fault)) => {
            output::complain(&format_args!(
                "THE LEDGER DOES NOT HOLD, so there is no report: {fault}"
            ));
            EXIT_FAILED
        }
        Err(Failure::Trouble(trouble)) => {
            output::complain(&format_args!("no report: {trouble}"));
            EXIT_UNREADABLE
        }
    }
}

fn report(args: &ReportArgs) -> Result<Vec<PathBuf>, Failure> {
    let log = Log::open(&args.target, &args.replay.trust.read()?)?;
    let clock = args.utc_offset.unwrap_or(match args.lang {
        Language::En => Clock::UTC,
        Language::Zh => Clock::BEIJING,
    });
    let period = Period {
        clock,
        from: args.from,
        to: args.to,
    };
    let gathered = gather(args, &log, period)?;
    let words = words(args.lang);
    let tables = Tables::of(&gathered, words);
    let page = Page {
        log: &log,
        gathered: &gathered,
        tables: &tables,
        words,
        written: now(),
    };
    Ok(write(args, &page)?)
}

/// Replays the log and reads the cosignatures, and counts what holds.
fn gather(args: &ReportArgs, log: &Log, period: Period) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::new(&log.genesis, period);
    let progress = Progress::new(false, log.head().size);
    let mut replay = Replay::new(log, args.replay.options(None))?;
    let mut visit = |block: &_, _: &_| {
        gathered.block(block);
        Ok(())
    };
    replay.run(&mut visit, &|count| progress.entries(count))?;
    drop(replay);
    progress.cosignatures();
    cosigned::check(&*log.source, &log.genesis, log.head(), |counts, record| {
        progress.count(counts.records);
        if let Some((record, time)) = record {
            gathered.cosignature(&record.validator, record.size, time, record.seconds);
        }
    })?;
    gathered.finish();
    progress.finish();
    Ok(gathered)
}

/// Writes what was asked for, and gives the paths.
fn write(args: &ReportArgs, page: &Page<'_>) -> Result<Vec<PathBuf>, Trouble> {
    let mut written = Vec::new();
    let other = args.csv.is_some() || args.json.is_some();
    let html = args.html.clone().or_else(|| (!other).then(|| PAGE.into()));
    if let Some(path) = html {
        put(&path, page.html().as_bytes())?;
        written.push(path);
    }
    if let Some(folder) = &args.csv {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        for table in page.tables.all() {
            let path = folder.join(format!("{}.csv", table.name));
            // Spreadsheets take a file for UTF-8 if it begins with this mark.
            put(&path, format!("\u{feff}{}", table.csv()).as_bytes())?;
            written.push(path);
        }
    }
    if let Some(path) = &args.json {
        // A value made of maps, texts and numbers always has a JSON text.
        let text = serde_json::to_string_pretty(&as_json(page)).unwrap_or_default();
        put(path, text.as_bytes())?;
        written.push(path.clone());
    }
    Ok(written)
}

fn as_json(page: &Page<'_>) -> Value {
    let (log, gathered) = (page.log, page.gathered);
    let (permitted, denied) = gathered.accesses();
    let openings = gathered.openings();
    let cosigners = log.checkpoint.cosigners().iter();
    let cosigners: Vec<String> = cosigners
        .map(|cosigner| cosigner.key.name().to_string())
        .collect();
    let tables = page.tables.all();
    let tables: Map<String, Value> = tables
        .iter()
        .map(|table| (table.name.to_owned(), table.json()))
        .collect();
    json!({
        "format": "medanchor/report/v1",
        "verdict": "good",
        "origin": log.head().origin.to_string(),
        "genesis": log.genesis.hash().to_string(),
        "size": log.head().size.0,
        "root": log.head().root.to_string(),
        "cosigners": cosigners,
        "written_ms": page.written.0,
        "utc_offset": gathered.period.clock.to_string(),
        "from": gathered.period.from.map(|day| day.to_string()),
        "to": gathered.period.to.map(|day| day.to_string()),
        "events": gathered.events(),
        "blocks": gathered.blocks.count,
        "empty_blocks": gathered.blocks.empty,
        "blocks_of_later_rounds": gathered.blocks.later_round,
        "access_permitted": permitted,
        "access_denied": denied,
        "break_glass": openings.break_glass,
        "break_glass_reviews": openings.reviews,
        "reviews_waiting": gathered.reviews.waiting(),
        "reviews_overdue": gathered.reviews.overdue(),
        "reviews_not_listed": gathered.reviews.not_listed(),
        "reviews_late": gathered.reviews.late,
        "reviews_not_justified": gathered.reviews.not_justified,
        "emergency_openings": openings.emergencies,
        "tables": tables,
    })
}

/// Writes a file aside and renames it into place.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| unwritable(path, &error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".medanchor-report")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::Unwritable {
        path: path.display().to_string(),
        cause: error.to_string(),
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}
