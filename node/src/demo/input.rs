//! The input: read a tree of files, plan who anchors what, and list what is left out.

use super::books::Refused;
use super::cast;
use super::stage::Stage;
use anyhow::ensure;
use medanchor_ledger::Time;
use medanchor_sdk::import::{Import, Limits, Plan, import_tree_watched, plan};
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
pub fn read(path: &Path, now: Time, stage: &Stage) -> anyhow::Result<Input> {
    let watch = |files| stage.reach(files);
    let import = import_tree_watched(path, &Limits::default(), watch)?;
    ensure!(
        !import.files.is_empty(),
        "{} has no file; give a file or folder of FHIR R4 JSON or EPCIS 2.0 documents",
        path.display()
    );
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

impl Input {
    /// How many files have something that can be anchored.
    pub fn files_with_items(&self) -> usize {
        let files = self.import.files.iter();
        files.filter(|file| file.items > 0).count()
    }

    /// How many items the plan has.
    pub fn planned(&self) -> usize {
        let steps = self.plan.steps.iter();
        steps.map(|step| step.action.items()).sum()
    }

    /// Whether each file has items or a reason, and what the files have adds up to all there is.
    pub fn accounts_for_every_file(&self) -> bool {
        let files = &self.import.files;
        let items: usize = files.iter().map(|file| file.items).sum();
        let left_out: usize = files.iter().map(|file| file.left_out).sum();
        files.iter().all(|file| file.items + file.left_out > 0)
            && items == self.import.items.len()
            && left_out == self.import.left_out.len()
            && items == self.planned() + self.plan.left_out.len()
    }
}
