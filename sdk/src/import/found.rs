//! Where readers put what they find: items, and what is left out with its reason.

use super::item::{Items, LeftOut, Location};
use super::json::Value;
use super::reason::Reason;

/// Bytes that one resource or event may have.
pub(super) const MAX_ITEM: usize = 4 << 20;

/// What has been found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) items: Items,
    pub(super) left_out: Vec<LeftOut>,
}

impl Found {
    /// Notes that what stands at `source` is not anchored.
    pub(super) fn leave_out(&mut self, source: &Location, reason: Reason) {
        self.left_out.push(LeftOut {
            source: source.clone(),
            reason,
        });
    }

    /// Notes the reason if there is one.
    pub(super) fn settle(&mut self, source: &Location, outcome: Result<(), Reason>) {
        if let Err(reason) = outcome {
            self.leave_out(source, reason);
        }
    }
}

/// Refuses what is too large to be one item or cannot be committed to field by field.
pub(super) fn check_item(value: Value<'_>) -> Result<(), Reason> {
    if value.text().len() > MAX_ITEM {
        return Err(Reason::ItemTooLarge { limit: MAX_ITEM });
    }
    value.check()
}
