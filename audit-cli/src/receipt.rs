//! `receipt`: one event, its receipt, and whom to trust; no network.
//!
//! What always holds: the answer says which keys counted: log keys and cosigners of a text receipt,
//! COSE keys of a transparent statement. A plain signed-note reader checks one log key and no quorum;
//! this checks both.

use crate::cli::ReceiptArgs;
use crate::output::{self, Out};
use crate::trust::Trust;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE};
use medanchor_ledger::Size;
use medanchor_ledger::cose_receipt::{Quorum, TransparentStatement};
use medanchor_ledger::event::Event;
use medanchor_ledger::merkle::leaf_hash;
use medanchor_ledger::policy::PolicyRange;
use medanchor_ledger::receipt::{Receipt, VerifiedReceipt};
use medanchor_ledger::seal::EntryKind;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// The longest receipt or event that is read.
const MAX_FILE: u64 = 1 << 20;

/// The first byte of every COSE_Sign1, and of no text.
const COSE_SIGN1: u8 = 0xd2;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path} could not be read: {cause}; give a file that exists and may be read")]
    Unreadable { path: String, cause: std::io::Error },
    #[error("{path} is longer than {limit} bytes; give the right file")]
    Oversize { path: String, limit: u64 },
    #[error("a text receipt does not have the event in it; give the event's bytes with --event")]
    NoEvent,
    #[error("the statement is of another event than the one given with --event")]
    OtherEvent,
    #[error(
        "a transparent statement is signed with COSE keys, which a policy file does not name; give --genesis, and --policy-chain if the validators have changed"
    )]
    NoCoseKeys,
    #[error("the statement is none: {0}")]
    Statement(#[from] medanchor_ledger::cose_receipt::CoseReceiptError),
    #[error("the event is not proved: {0}")]
    CoseUnproved(#[from] medanchor_ledger::cose_receipt::CoseUnproved),
    #[error("the receipt is none: {0}")]
    Receipt(#[from] medanchor_ledger::receipt::ReceiptError),
    #[error(transparent)]
    Trust(#[from] crate::fault::Failure),
    #[error("the event is not proved: {0}")]
    Unproved(#[from] medanchor_ledger::receipt::Unproved),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Unreadable { .. }
            | Self::Oversize { .. }
            | Self::Trust(crate::fault::Failure::Trouble(_)) => EXIT_UNREADABLE,
            _ => EXIT_FAILED,
        }
    }
}

/// What a receipt proved, for people and for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Proved {
    verdict: &'static str,
    origin: String,
    index: u64,
    size: u64,
    root: String,
    leaf: String,
    policy: String,
    log_keys: Vec<String>,
    cosigners: Vec<Cosigned>,
    /// The validators whose COSE keys counted.
    cose_signers: Vec<Cosigned>,
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
    if let Some(lack) = args.trust.lack() {
        eprintln!("{lack}");
        return EXIT_USAGE;
    }
    match check(args) {
        Ok(proved) => {
            let print = |out: &mut Out<'_>| match args.json {
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
    let given = args.trust.read_within(Size(first), Size(last))?;
    let trust = Trust::alone(&given).map_err(crate::fault::Failure::from)?;
    let event = args.event.as_deref().map(|path| read(path, MAX_FILE));
    let (event, receipt) = (event.transpose()?, read(&args.receipt, MAX_FILE)?);
    if receipt.first() == Some(&COSE_SIGN1) {
        return check_statement(&trust, &receipt, event.as_deref());
    }
    let entry = event.ok_or(Failure::NoEvent)?;
    let receipt = Receipt::parse(&receipt)?;
    let verified = receipt.verify(&entry, &trust)?;
    let range = trust.range_of(&receipt.checkpoint);
    let range = range.map_err(medanchor_ledger::receipt::Unproved::from)?;
    Ok(told(&verified, &entry, range))
}

fn check_statement(
    trust: &Trust,
    statement: &[u8],
    event: Option<&[u8]>,
) -> Result<Proved, Failure> {
    let statement = TransparentStatement::decode(statement)?;
    let entry = statement.event.encoded();
    if event.is_some_and(|event| event != entry) {
        return Err(Failure::OtherEvent);
    }
    let policies = trust.policies().ok_or(Failure::NoCoseKeys)?;
    let (receipts, claimed) = (&statement.receipts, statement.receipts.first());
    let size = claimed.map_or_else(Size::default, |first| first.head.size);
    let quorum = policies.verify_cose(size, |keys| Quorum::verify(receipts, entry, keys))?;
    let turn = policies.at(size).ok_or(Failure::NoCoseKeys)?;
    let head = quorum.checkpoint();
    let signers = quorum.validators().iter();
    let signers = signers.map(|(validator, seconds)| Cosigned {
        name: format!("{}/{validator}", head.origin),
        seconds: *seconds,
    });
    Ok(Proved {
        verdict: "good",
        origin: head.origin.to_string(),
        index: quorum.index().0,
        size: head.size.0,
        root: head.root.to_string(),
        leaf: leaf_hash(entry).to_string(),
        policy: turn.range.policy().hash().to_string(),
        log_keys: Vec::new(),
        cosigners: Vec::new(),
        cose_signers: signers.collect(),
        policy_sizes: sizes(&turn.range),
        event: about(entry),
        seal: false,
    })
}

fn sizes(range: &PolicyRange) -> (u64, u64) {
    let (first, last) = range.sizes();
    (first.0, last.0)
}

/// What a receipt of `entry` proved, under that policy.
pub(crate) fn told(verified: &VerifiedReceipt, entry: &[u8], range: &PolicyRange) -> Proved {
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
        cose_signers: Vec::new(),
        policy_sizes: sizes(range),
        event: about(entry),
        seal: EntryKind::of(entry) == EntryKind::Seal,
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

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let shown = || path.display().to_string();
    let unreadable = |cause| Failure::Unreadable {
        path: shown(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    if fits {
        Ok(bytes)
    } else {
        let path = shown();
        Err(Failure::Oversize { path, limit })
    }
}

pub(crate) fn print_proved(out: &mut impl Write, proved: &Proved) -> std::io::Result<()> {
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
    for signer in &proved.cose_signers {
        writeln!(
            out,
            "  COSE key   of {}, at {} s since 1970",
            signer.name, signer.seconds
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
    output::complain(failure);
    code
}

pub(crate) fn print_json(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    // Plain structs of texts and numbers always have a JSON form.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    writeln!(out, "{text}")
}
