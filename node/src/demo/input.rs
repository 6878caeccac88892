//! The input: read a tree of files, plan who anchors what, and list what is left out.

use super::books::Refused;
use super::cast;
use anyhow::Context;
use medanchor_ledger::Time;
use medanchor_sdk::import::{Import, Limits, Plan, import_tree, plan};
use std::path::Path;

/// What was read and what is to be done with it.
pub struct Input {
    /// The items and their files.
    pub import: Import,
    /// The steps.
    pub plan: Plan,
    /// Everything that is not anchored, with its reason.
    pub left_out: Vec<Refused>,
}

/// Reads everything below `path`.
pub fn read(path: &Path, now: Time) -> anyhow::Result<Input> {
    let import = import_tree(path, &Limits::default())
        .with_context(|| format!("cannot read the input {}", path.display()))?;
    let plan = plan(&import.items, &cast::roster()?, now);
    let left_out = import.left_out.iter().chain(&plan.left_out);
    let left_out = left_out
        .map(|one| Refused {
            source: one.source.to_string(),
            reason: one.reason.to_string(),
        })
        .collect();
    Ok(Input {
        import,
        plan,
        left_out,
    })
}
