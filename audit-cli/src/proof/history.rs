//! `history`: exactly these events bear a tag, up to a height, or none does.

use super::args::HistoryArgs;
use super::failure::{Failure, print_json};
use super::make::{Replayed, open, write_whole};
use super::pages::Pages;
use super::rests::{Rests, trust};
use crate::fault;
use crate::trust::Trust;
use crate::{EXIT_GOOD, EXIT_USAGE, output};
use medanchor_ledger::document::{
    HistoryPage, HistoryVerifier, StateClaim, StateDocument, VerifiedHistory,
};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::rules::tag::{TagLink, moved};
use medanchor_ledger::rules::{Anchored, DenialReason, TagIndex};
use medanchor_ledger::{Height, Index, ParticipantName, Tag};
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::path::Path;

#[derive(Debug, Serialize)]
struct Proved {
    verdict: &'static str,
    owner: String,
    tag: String,
    /// How many events bear the tag: exactly those that the text output and the file list.
    count: u64,
    #[serde(flatten)]
    rests: Rests,
}

/// Checks or makes a history, prints it, and gives the exit code.
pub(crate) fn run(args: &HistoryArgs) -> u8 {
    let done = match (&args.file, args.trust.lack(), &args.log, &args.out) {
        (Some(file), None, None, None) => {
            trust(&args.trust, &args.sizes).and_then(|trust| checked(file, &trust, args))
        }
        (None, _, Some(log), Some(out)) => match (&args.owner, &args.tag) {
            (Some(owner), Some(tag)) => make(log, owner, tag, out, args),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.print(args.making.json),
    }
}

fn usage() -> u8 {
    eprintln!(
        "give a FILE with --genesis or --policy, or --log with --owner, --tag and --out; see --help"
    );
    EXIT_USAGE
}

/// Checks the file, then reads it once more to print its events: nothing is told that is not proved,
/// and nothing is held in memory.
fn checked(file: &Path, trust: &Trust, args: &HistoryArgs) -> Result<u8, Failure> {
    let verified = verify(file, trust, args, &mut |_| Ok(()))?;
    let proved = Proved {
        verdict: "good",
        owner: verified.owner.to_string(),
        tag: verified.tag.to_string(),
        count: verified.count,
        rests: Rests::on(verified.height, verified.time, &verified.checkpoint),
    };
    let mut again = Ok(());
    let code = output::print(EXIT_GOOD, |out| {
        if args.making.json {
            return print_json(out, &proved);
        }
        match proved.count {
            0 => writeln!(out, "No event bears this tag.")?,
            count => writeln!(out, "These {count} events, and no other, bear this tag.")?,
        }
        writeln!(out, "  tag        {} of {}", proved.tag, proved.owner)?;
        proved.rests.print(out)?;
        let listed = verify(file, trust, args, &mut |link| print_link(out, link));
        again = match listed {
            Ok(found) if found == verified => Ok(()),
            Ok(_) => Err(Failure::Changed),
            Err(failure) => Err(failure),
        };
        Ok(())
    });
    again.map(|()| code)
}

fn print_link(out: &mut impl Write, link: &TagLink) -> Result<(), Failure> {
    let reasons = DenialReason::ALL.into_iter();
    let denied = reasons.clone().find(|reason| reason.code() == link.outcome);
    let outcome = denied.map_or("", |reason| reason.as_str());
    let line = writeln!(
        out,
        "  {:>10}  {}  {}  {} {outcome}",
        link.anchored.index, link.time, link.anchored.event, link.kind
    );
    line.map_err(|cause| Failure::Write {
        path: "standard output".to_owned(),
        cause,
    })
}

/// Verifies the pages of a file one after the other, and gives each link to `each`.
fn verify(
    file: &Path,
    trust: &Trust,
    args: &HistoryArgs,
    each: &mut dyn FnMut(&TagLink) -> Result<(), Failure>,
) -> Result<VerifiedHistory, Failure> {
    let mut pages = Pages::open(file)?;
    let first = pages.next()?.ok_or(Failure::Unfinished)?;
    if args
        .owner
        .as_ref()
        .is_some_and(|owner| *owner != first.owner)
    {
        return Err(Failure::Other("owner"));
    }
    if args.tag.is_some_and(|tag| tag != first.tag) {
        return Err(Failure::Other("tag"));
    }
    let mut verifier = HistoryVerifier::new(first.owner.clone(), first.tag);
    let (mut page, mut verdict) = (Some(first), None);
    while let Some(read) = page {
        verdict = verifier.add(&read, trust)?;
        read.links.iter().try_for_each(&mut *each)?;
        page = pages.next()?;
    }
    verdict.ok_or(Failure::Unfinished)
}

fn make(
    log: &str,
    owner: &ParticipantName,
    tag: &Tag,
    out: &Path,
    args: &HistoryArgs,
) -> Result<u8, Failure> {
    let mut made = None;
    let written = write_whole(out, |file| {
        let replayed = replay_into(log, owner, tag, &mut BufWriter::new(file), args);
        let ok = replayed.is_ok();
        made = Some(replayed);
        // What was begun proves nothing, and does not get its name.
        if ok {
            Ok(())
        } else {
            Err(std::io::Error::other("the replay failed"))
        }
    });
    let trust = made.unwrap_or(Err(Failure::Unfinished));
    let trust = match written {
        Err(failure) => return Err(trust.err().unwrap_or(failure)),
        Ok(()) => trust?,
    };
    checked(out, &trust, args)
}

/// Replays the log and writes the pages as they fill.
fn replay_into(
    log: &str,
    owner: &ParticipantName,
    tag: &Tag,
    out: &mut impl Write,
    args: &HistoryArgs,
) -> Result<Trust, Failure> {
    let key = TagIndex::key(owner, tag);
    let mut page = HistoryPage {
        owner: owner.clone(),
        tag: *tag,
        first: 0,
        links: Vec::new(),
        state: None,
    };
    let mut visit = |executed: &Executed| {
        for link in links(executed, &key)? {
            if page.links.len() == HistoryPage::MAX_LINKS {
                out.write_all(&page.encode()).map_err(cannot_write)?;
                page.first += page.links.len() as u64;
                page.links.clear();
            }
            page.links.push(link);
        }
        Ok(())
    };
    let log = open(log, &args.trust, &args.sizes)?;
    let until = args.height.map(Height);
    let replayed = Replayed::of(log, &args.making, until, &mut visit)?;
    let claim = StateClaim::of(replayed.view().map(), &key);
    page.state = Some(StateDocument {
        key,
        claim: claim.map_err(Replayed::unreadable)?,
        seal: replayed.seal_proof()?,
    });
    out.write_all(&page.encode())
        .and_then(|()| out.flush())
        .map_err(|cause| Failure::Log(cannot_write(cause)))?;
    Ok(replayed.trust().clone())
}

/// The links that a block adds to the tag of `key`.
fn links(
    executed: &Executed,
    key: &medanchor_ledger::state::StateKey,
) -> Result<Vec<TagLink>, fault::Failure> {
    let mut links = Vec::new();
    let map = executed.map_update.map();
    for (event, index) in executed.events.iter().zip(executed.seal.first.0..) {
        let index = Index(index);
        let moved =
            moved(event, index, map).map_err(|error| fault::Trouble::Work(error.to_string()))?;
        let ours = moved.into_iter().filter(|(found, _)| found == key);
        links.extend(ours.map(|(_, outcome)| TagLink {
            anchored: Anchored {
                event: event.id(),
                index,
            },
            time: executed.seal.time,
            kind: event.kind(),
            outcome,
        }));
    }
    Ok(links)
}

fn cannot_write(cause: std::io::Error) -> fault::Failure {
    fault::Trouble::Work(cause.to_string()).into()
}
