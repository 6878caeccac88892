//! What a document rests on: a checkpoint, the keys that counted, the policy.

use super::args::SizeArgs;
use super::failure::Failure;
use crate::trust::{Trust, TrustArgs};
use medanchor_ledger::policy::VerifiedCheckpoint;
use medanchor_ledger::{Height, Time};
use serde::Serialize;
use std::io::Write;

/// Whom the files that were given say to trust.
pub(super) fn trust(args: &TrustArgs, sizes: &SizeArgs) -> Result<Trust, Failure> {
    let (first, last) = sizes.sizes();
    let given = args.read_within(first, last).map_err(Failure::Trust)?;
    Trust::alone(&given).map_err(|fault| Failure::Trust(fault.into()))
}

/// What a document rests on, for people and for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Rests {
    origin: String,
    height: u64,
    time: u64,
    size: u64,
    root: String,
    policy: String,
    log_keys: Vec<String>,
    cosigners: Vec<String>,
}

impl Rests {
    pub(super) fn on(height: Height, time: Time, checkpoint: &VerifiedCheckpoint) -> Self {
        let head = checkpoint.checkpoint();
        let cosigners = checkpoint.cosigners().iter();
        Self {
            origin: head.origin.to_string(),
            height: height.0,
            time: time.0,
            size: head.size.0,
            root: head.root.to_string(),
            policy: checkpoint.policy().to_string(),
            log_keys: checkpoint.logs().iter().map(ToString::to_string).collect(),
            cosigners: cosigners
                .map(|cosigner| cosigner.key.name().to_string())
                .collect(),
        }
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "  log        {}", self.origin)?;
        writeln!(
            out,
            "  height     {}, at {} ms since 1970; what came later is not in it",
            self.height, self.time
        )?;
        writeln!(out, "  root       {} of {} entries", self.root, self.size)?;
        for key in &self.log_keys {
            writeln!(out, "  log key    {key}")?;
        }
        for cosigner in &self.cosigners {
            writeln!(out, "  cosigner   {cosigner}")?;
        }
        writeln!(out, "  policy     {}, met by these keys", self.policy)
    }
}
