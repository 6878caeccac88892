//! `cargo measure`: what Medanchor does on this machine, with the machine and the workload beside
//! every figure and the design's budget beside those that have one.
//!
//! What always holds: nodes and services are real processes (this program again, as `run --home HOME`), load
//! comes over HTTP, and nothing is judged: a slow machine gives slow figures, not a failure.

mod machine;
mod measure;
mod process;
mod report;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use machine::Machine;
use measure::throughput::Plan;
use medanchor_tests::network::{Network, stand_for_all};
use report::{Budget, Report, Section};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The nodes' own, since this program is also the nodes: see `docs/decisions/allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Medanchor on this machine
#[derive(Parser)]
#[command(name = "cargo measure", version)]
struct Options {
    /// Measure these only
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Events anchored with one validator; with four, a third as many
    #[arg(long, default_value_t = 600_000)]
    events: u64,
    /// Also write all figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the networks here instead of the system's folder for temporary files
    #[arg(long)]
    dir: Option<PathBuf>,
    /// With `--only audit`: keep the log in this folder, and audit that one if there is one already
    #[arg(long)]
    log: Option<PathBuf>,
    #[command(flatten, next_help_heading = "With --only state")]
    state: measure::state::MapOptions,
}

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Each step of an event's way, in memory
    Terms,
    /// The state map on disk: what a key costs, memory, disk, proofs
    State,
    /// Four validators: one event at a time, receipt check, events a second, restart, one of them dead
    Four,
    /// One validator: events a second, memory, disk, restart, audit
    One,
    /// Records in custody: sealing with five custodians, opening with three, a thousand accesses
    Custody,
    /// The auditor alone, tier by tier, over a log of so many events; otherwise a part of `one`
    Audit,
}

impl Part {
    /// Whether it is measured if nothing is named.
    const fn is_usual(self) -> bool {
        !matches!(self, Self::Audit)
    }
}

const FOUR: Budget = Budget::AtLeast {
    must: 4_000.0,
    goal: 10_000.0,
};
const ONE: Budget = Budget::AtLeast {
    must: 15_000.0,
    goal: 30_000.0,
};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let own = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    let line = || std::iter::once(own.clone()).chain(rest.iter().cloned());
    match rest.first().and_then(|first| first.to_str()) {
        Some("run" | "custodian" | "vault" | "governance") => medanchor_node::cli::main(line()),
        Some("audit") => medanchor_audit::run(rest.iter().cloned()),
        _ => match measure_all(&Options::parse_from(line())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot measure: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn measure_all(options: &Options) -> Result<()> {
    ensure!(
        options.events >= 10_000,
        "give at least 10000 --events; fewer say nothing"
    );
    let dir = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    stand_for_all(std::env::current_exe()?);
    let machine = Machine::look(dir.path())?;
    machine.print();
    let mut sections = Vec::new();
    for part in Part::value_variants().iter().copied() {
        if options.only.contains(&part) || options.only.is_empty() && part.is_usual() {
            measure_part(part, options, &machine, dir.path(), &mut sections)?;
        }
    }
    if let Some(path) = &options.json {
        let report = Report { machine, sections };
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn measure_part(
    part: Part,
    options: &Options,
    machine: &Machine,
    dir: &Path,
    sections: &mut Vec<Section>,
) -> Result<()> {
    let mut done = |section: Section| {
        section.print();
        sections.push(section);
    };
    match part {
        Part::Terms => done(measure::terms::measure(options.events)?),
        Part::State => done(measure::state::measure(&options.state, dir)?),
        Part::Four => {
            let mut network = start(&dir.join("four"), 4)?;
            done(measure::latency::measure(&network)?);
            done(measure::throughput::measure(
                &network,
                four(options.events),
            )?);
            done(measure::receipts::measure(&network)?);
            done(measure::proofs::measure(&network)?);
            done(measure::resources::measure(&mut network)?);
            let plan = four(options.events);
            done(measure::one_dead::measure(&mut network, plan)?);
            network.stop();
        }
        Part::One => {
            let mut network = start(&dir.join("one"), 1)?;
            done(measure::throughput::measure(&network, one(options.events))?);
            done(measure::resources::measure(&mut network)?);
            network.stop();
            done(measure::audit::measure(
                &network.node(0).home.log(),
                machine.cores,
            )?);
        }
        Part::Custody => {
            let sections = measure::custody::measure(&dir.join("custody"))?;
            sections.into_iter().for_each(done);
        }
        Part::Audit => {
            let (log, cores) = (options.log.as_deref(), machine.cores);
            done(measure::audit::measure_built(
                log,
                dir,
                options.events,
                cores,
            )?);
        }
    }
    Ok(())
}

fn start(dir: &Path, validators: usize) -> Result<Network> {
    Network::start(&std::env::current_exe()?, dir, validators, |_| {})
}

const fn four(events: u64) -> Plan {
    Plan {
        events: events / 3,
        connections: 8,
        batch: 500,
        budget: FOUR,
    }
}

const fn one(events: u64) -> Plan {
    Plan {
        events,
        connections: 12,
        batch: 1_500,
        budget: ONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }
}
