//! `sample`: the random inspections of a log, computed again and put into words.
//!
//! What always holds: the whole ledger is audited first, as `verify` does; then every draw follows
//! from its events alone, and the state must agree. A draw that is void or not answered is no fault of
//! the ledger: it is said, and the exit code stays 0.

mod args;
mod check;
mod confidence;
mod gather;
pub(crate) mod items;
mod report;
mod shown;
pub(crate) mod words;

pub(crate) use args::SampleArgs;

use crate::fault::{Failure, Trouble};
use crate::language::Language;
use crate::opened::Log;
use crate::output;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use check::{Checked, OfOwner};
use gather::Gathered;
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::{Inspection, StateValue};
use medanchor_ledger::{ParticipantName, Size, Time};
use report::{Report, Wanted};
use serde_json::{Value, json};
use shown::Shown;
use std::collections::BTreeMap;
use std::io::{Result as Printed, Write};

type Owners<'g> = BTreeMap<&'g ParticipantName, OfOwner>;

/// What is known of the log as a whole.
struct Ground {
    origin: String,
    genesis: String,
    size: Size,
    root: String,
    now: Time,
}

/// Checks the inspections, prints what was found, and gives the exit code.
pub(crate) fn run(args: &SampleArgs) -> u8 {
    // If the system refuses, only a large ledger needs more, and the audit says so then.
    let _ = medanchor_store::raise_open_files();
    let mut text = Vec::new();
    let failure = match sample(args, &mut text) {
        Ok(()) => return output::print(EXIT_GOOD, |out| out.write_all(&text)),
        Err(failure) => failure,
    };
    let (code, verdict) = match &failure {
        Failure::Fault(_) => (EXIT_FAILED, "bad"),
        Failure::Trouble(_) => (EXIT_UNREADABLE, "none"),
    };
    output::print(code, |out| match (args.json, args.lang) {
        (true, _) => writeln!(
            out,
            "{}",
            json!({ "verdict": verdict, "fault": failure.to_string() })
        ),
        (false, Language::En) if code == EXIT_FAILED => {
            writeln!(out, "THE LEDGER DOES NOT HOLD: {failure}")
        }
        (false, Language::Zh) if code == EXIT_FAILED => writeln!(out, "账本不成立：{failure}"),
        (false, Language::En) => writeln!(out, "No verdict: {failure}"),
        (false, Language::Zh) => writeln!(out, "无法得出结论：{failure}"),
    })
}

fn sample(args: &SampleArgs, text: &mut Vec<u8>) -> Result<(), Failure> {
    let log = Log::open(&args.target, &args.replay.trust.read()?)?;
    let progress = Progress::new(args.json, log.head().size);
    let mut gathered = Gathered::new(log.genesis.network_id());
    let mut replay = Replay::new(&log, args.replay.options(None))?;
    let mut visit = |block: &_, _: &_| {
        gathered.visit(block);
        Ok(())
    };
    replay.run(&mut visit, &|count| progress.entries(count))?;
    progress.finish();
    let left = replay.finish();
    let state = left.state.ok_or(Trouble::Panicked)?;
    let now = state.view().head().time;
    gathered
        .look_up(state.view())
        .map_err(|error| Trouble::Work(error.to_string()))?;
    let checked = check::all(&gathered, now)?;
    for one in &checked {
        let key = Inspection::key(&one.opened.opener, &one.opened.body.inspection);
        let value = state.view().value(&key);
        let value = value.map_err(|error| Trouble::Work(error.to_string()))?;
        let stored = value.and_then(|bytes| Inspection::decode(&bytes).ok());
        check::against_state(one, stored.as_ref())?;
    }
    let ground = Ground {
        origin: log.genesis.origin().to_string(),
        genesis: log.genesis.hash().to_string(),
        size: log.head().size,
        root: log.head().root.to_string(),
        now,
    };
    let reports = reports(args, &checked, now)?;
    let owners = check::owners(&gathered, &checked);
    let print = match args.json {
        true => print_json(text, &ground, &reports, &owners),
        false => print_text(text, args.lang, &ground, &reports).and_then(|()| {
            owners
                .iter()
                .try_for_each(|(name, owner)| print_owner(text, args.lang, name, owner))
        }),
    };
    print.map_err(|error| Trouble::Work(error.to_string()).into())
}

fn reports<'c, 'g>(
    args: &SampleArgs,
    checked: &'c [Checked<'g>],
    now: Time,
) -> Result<Vec<Report<'c, 'g>>, Failure> {
    let asked = |one: &&Checked<'_>| {
        let handle = args.inspection;
        handle.is_none_or(|handle| one.opened.body.inspection == handle)
    };
    let asked: Vec<_> = checked.iter().filter(asked).collect();
    if let (Some(handle), true) = (args.inspection, asked.is_empty()) {
        let place = format!("inspection {handle}");
        let cause = "the log has none of this handle".to_owned();
        return Err(Trouble::Unreadable { place, cause }.into());
    }
    let shown = shown(args, &asked)?;
    let wanted = Wanted {
        share: args.share,
        confidence: args.confidence,
        wrong: &args.wrong,
    };
    let reports = asked.into_iter().zip(shown);
    Ok(reports
        .map(|(one, shown)| Report::new(one, shown, now, wanted))
        .collect())
}

/// What the file of items says of each inspection; it must say something of one. Whatever it says is
/// about the file, never about the ledger.
fn shown(args: &SampleArgs, asked: &[&Checked<'_>]) -> Result<Vec<Option<Shown>>, Failure> {
    let Some(path) = &args.items else {
        return Ok(vec![None; asked.len()]);
    };
    let places = asked.iter().flat_map(|one| one.places.iter().copied());
    let items = items::read(path, &places.collect())?;
    let all: Vec<_> = asked.iter().map(|one| Shown::of(&items, one)).collect();
    if all.iter().all(Option::is_none) {
        let path = path.display().to_string();
        return Err(Trouble::OtherItems { path }.into());
    }
    Ok(all)
}

fn print_json(
    out: &mut impl Write,
    ground: &Ground,
    reports: &[Report<'_, '_>],
    owners: &Owners<'_>,
) -> Printed<()> {
    let owners = owners.iter().map(|(name, owner)| {
        let inspected = owner.inspected.iter().map(|(population, draws)| {
            json!({ "population": population.to_string(), "draws": draws.all, "void": draws.void })
        });
        json!({
            "owner": name.to_string(),
            "populations": owner.fixed,
            "inspected": inspected.collect::<Vec<_>>(),
        })
    });
    let all = reports
        .iter()
        .map(|report| report.json(&report.words(Language::En)));
    let report = json!({
        "verdict": "good",
        "origin": ground.origin,
        "genesis": ground.genesis,
        "size": ground.size.0,
        "root": ground.root,
        "time": ground.now.0,
        "inspections": all.collect::<Vec<Value>>(),
        "owners": owners.collect::<Vec<Value>>(),
    });
    let text = serde_json::to_string_pretty(&report).unwrap_or_default();
    writeln!(out, "{text}")
}

fn print_text(
    out: &mut impl Write,
    lang: Language,
    ground: &Ground,
    reports: &[Report<'_, '_>],
) -> Printed<()> {
    let Ground {
        origin,
        genesis,
        size,
        root,
        ..
    } = ground;
    let count = reports.len();
    match lang {
        Language::En => {
            writeln!(
                out,
                "The ledger holds, and so do {count} inspection(s) in it."
            )?;
            writeln!(out, "  log         {origin}\n  genesis     {genesis}")?;
            writeln!(out, "  checkpoint  {size} entries, root {root}")?;
        }
        Language::Zh => {
            writeln!(out, "账本成立，其中 {count} 次随机抽查均成立。")?;
            writeln!(out, "  日志：{origin}\n  创世哈希：{genesis}")?;
            writeln!(out, "  检查点：{size} 条，根 {root}")?;
        }
    }
    for report in reports {
        let handle = report.checked.opened.body.inspection;
        match lang {
            Language::En => writeln!(out, "\nInspection {handle}")?,
            Language::Zh => writeln!(out, "\n抽查 {handle}")?,
        }
        for (label, text) in report.lines(lang) {
            match lang {
                Language::En => writeln!(out, "  {label:<11} {text}")?,
                Language::Zh => writeln!(out, "  {label}：{text}")?,
            }
        }
    }
    Ok(())
}

/// All that an owner fixed and that was drawn from: the auditor counts, people compare.
fn print_owner(
    out: &mut impl Write,
    lang: Language,
    name: &ParticipantName,
    owner: &OfOwner,
) -> Printed<()> {
    let fixed = owner.fixed;
    match lang {
        Language::En => writeln!(
            out,
            "\n{name} fixed {fixed} population(s); whether two of them are of one list, only people can tell. Drawn from:"
        )?,
        Language::Zh => writeln!(
            out,
            "\n{name} 共固定 {fixed} 个总体；其中是否有同一名单的重复，须由人判断。已抽取的总体："
        )?,
    }
    for (population, draws) in &owner.inspected {
        let (all, void) = (draws.all, draws.void);
        match lang {
            Language::En => writeln!(out, "  {population}  draws: {all}, of which void: {void}")?,
            Language::Zh => writeln!(out, "  {population}：抽取 {all} 次，其中作废 {void} 次")?,
        }
    }
    Ok(())
}
