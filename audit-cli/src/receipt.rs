//! `receipt`: one event, one receipt, one policy, no network.
//!
//! What always holds: the answer says which log keys and which cosigners counted. A plain
//! signed-note reader checks one log key and no quorum; this checks both.

use crate::cli::ReceiptArgs;
use crate::output;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::Size;
use medanchor_ledger::event::Event;
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::receipt::{Receipt, VerifiedReceipt};
use medanchor_ledger::seal::EntryKind;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, StdoutLock, Write};
use std::path::Path;

/// The longest file that is read: longer than any of the three may be.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path} could not be read: {cause}; give a file that exists and may be read")]
    Unreadable { path: String, cause: std::io::Error },
    #[error("{path} is longer than {MAX_FILE} bytes; give the right file")]
    Oversize { path: String },
    #[error("the receipt is none: {0}")]
    Receipt(#[from] medanchor_ledger::receipt::ReceiptError),
    #[error("the policy is none: {0}")]
    Policy(#[from] medanchor_ledger::policy::PolicyError),
    #[error("the event is not proved: {0}")]
    Unproved(#[from] medanchor_ledger::receipt::Unproved),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Unreadable { .. } | Self::Oversize { .. } => EXIT_UNREADABLE,
            _ => EXIT_FAILED,
        }
    }
}

/// What a receipt proved, for people and for scripts.
#[derive(Debug, Serialize)]
struct Proved {
    verdict: &'static str,
    origin: String,
    index: u64,
    size: u64,
    root: String,
    leaf: String,
    policy: String,
    log_keys: Vec<String>,
    cosigners: Vec<Cosigned>,
    /// The first and the last size for which the policy was taken to stand.
    policy_sizes: (u64, u64),
    event: Option<About>,
    seal: bool,
}

#[derive(Debug, Serialize)]
struct Cosigned {
    name: String,
    seconds: u64,
}

/// What the event's envelope says; its body says nothing that needs telling here.
#[derive(Debug, Serialize)]
struct About {
    id: String,
    kind: &'static str,
    issuer: String,
}

/// Checks the receipt, prints what was found, and gives the exit code.
pub(crate) fn run(args: &ReceiptArgs) -> u8 {
    match check(args) {
        Ok(proved) => {
            let print = |out: &mut StdoutLock<'_>| match args.json {
                true => print_json(out, &proved),
                false => print_proved(out, &proved),
            };
            output::print(EXIT_GOOD, print)
        }
        Err(failure) => print_failure(&failure, args.json),
    }
}

fn check(args: &ReceiptArgs) -> Result<Proved, Failure> {
    let (first, last) = (args.first_size, args.last_size.unwrap_or(u64::MAX));
    let policy = Policy::parse(&read(&args.policy)?)?;
    let range = PolicyRange::new(policy, Size(first), Size(last));
    let receipt = Receipt::parse(&read(&args.receipt)?)?;
    let entry = read(&args.event)?;
    let verified = receipt.verify(&entry, &range)?;
    Ok(Proved {
        event: about(&entry),
        seal: EntryKind::of(&entry) == EntryKind::Seal,
        ..proved(&verified, (first, last))
    })
}

fn proved(verified: &VerifiedReceipt, policy_sizes: (u64, u64)) -> Proved {
    let checkpoint = verified.checkpoint();
    let cosigners = checkpoint.cosigners().iter().map(|cosigner| Cosigned {
        name: cosigner.key.name().to_string(),
        seconds: cosigner.seconds,
    });
    Proved {
        verdict: "good",
        origin: checkpoint.checkpoint().origin.to_string(),
        index: verified.index().0,
        size: verified.size().0,
        root: checkpoint.checkpoint().root.to_string(),
        leaf: verified.leaf().to_string(),
        policy: checkpoint.policy().to_string(),
        log_keys: checkpoint.logs().iter().map(ToString::to_string).collect(),
        cosigners: cosigners.collect(),
        policy_sizes,
        event: None,
        seal: false,
    }
}

/// What an entry that is an event of this release says of itself.
fn about(entry: &[u8]) -> Option<About> {
    let event = Event::decode(entry).ok()?;
    Some(About {
        id: event.id().to_string(),
        kind: event.kind().name(),
        issuer: event.issuer().to_string(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = || path.display().to_string();
    let unreadable = |cause| Failure::Unreadable {
        path: shown(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE);
    if fits {
        Ok(bytes)
    } else {
        Err(Failure::Oversize { path: shown() })
    }
}

fn print_proved(out: &mut impl Write, proved: &Proved) -> std::io::Result<()> {
    writeln!(
        out,
        "The receipt holds: entry {} is in the log {}.",
        proved.index, proved.origin
    )?;
    match &proved.event {
        Some(event) => writeln!(
            out,
            "  event      {} {}, by {}",
            event.kind, event.id, event.issuer
        )?,
        None if proved.seal => writeln!(out, "  entry      the seal of a block")?,
        None => writeln!(out, "  entry      not an event that this release can read")?,
    }
    writeln!(out, "  leaf       {}", proved.leaf)?;
    writeln!(
        out,
        "  root       {} of {} entries",
        proved.root, proved.size
    )?;
    for key in &proved.log_keys {
        writeln!(out, "  log key    {key}")?;
    }
    for cosigner in &proved.cosigners {
        writeln!(
            out,
            "  cosigner   {}, at {} s since 1970",
            cosigner.name, cosigner.seconds
        )?;
    }
    writeln!(out, "  policy     {}, met by these keys", proved.policy)?;
    match proved.policy_sizes {
        (first, u64::MAX) => writeln!(out, "             taken to stand from size {first} on"),
        (first, last) => writeln!(
            out,
            "             taken to stand for sizes {first} to {last}"
        ),
    }
}

fn print_failure(failure: &Failure, json: bool) -> u8 {
    let code = failure.exit_code();
    let verdict = match code {
        EXIT_UNREADABLE => "unreadable",
        _ => "failed",
    };
    if json {
        let answer = serde_json::json!({ "verdict": verdict, "reason": failure.to_string() });
        return output::print(code, |out| print_json(out, &answer));
    }
    // Where standard error is closed, the exit code says it.
    let _ = writeln!(std::io::stderr(), "{failure}");
    code
}

fn print_json(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    // Plain structs of texts and numbers always have a JSON form.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    writeln!(out, "{text}")
}
