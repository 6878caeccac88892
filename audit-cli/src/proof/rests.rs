//! What a document rests on: a checkpoint, the keys that counted, the policy.

use super::failure::Failure;
use crate::cli::SizeArgs;
use crate::file;
use medanchor_ledger::policy::{Policy, PolicyRange, VerifiedCheckpoint};
use medanchor_ledger::{Height, Size, Time};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// The policy that was given, and the sizes for which it was said to stand.
pub(super) fn policy(path: &Path, args: &SizeArgs) -> Result<PolicyRange, Failure> {
    let policy = Policy::parse(&file::read(path, Policy::MAX_BYTES as u64)?)?;
    let last = args.last_size.unwrap_or(u64::MAX);
    Ok(PolicyRange::new(policy, Size(args.first_size), Size(last)))
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
