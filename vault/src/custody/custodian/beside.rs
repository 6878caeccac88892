//! Rows of deals beside the shares that they are of, so that both wait for the disk once.
//!
//! What always holds: a row that the file of deals may lose by a power cut stands in the file of wrapped secrets,
//! in a slot that was written with its share's; no such slot is written over or emptied before all rows are on
//! disk in their own file. There are [`MOST`] such slots at most, so once in so many deals their own
//! file is waited for, too; once that was written anew they are emptied, or they would bring back what is known.

use super::error::CustodianError;
use super::waiting::Waiting;
use crate::slots::{Kind, Name, Row, Slots};
use std::io;

/// The most rows that stand beside shares.
const MOST: u32 = 64;
const HANDLE: [u8; 16] = [0; 16];

/// How many rows stand beside shares and may not be on disk in their own file.
#[derive(Default)]
pub(super) struct Beside(u32);

impl Beside {
    /// Where rows that were entered now are to be kept beside their shares; nowhere if they are on disk in
    /// their own file when this returns.
    ///
    /// # Errors
    /// When that file fails.
    pub(super) fn places(
        &mut self,
        rows: Vec<Row>,
        waiting: &mut Waiting,
    ) -> io::Result<Vec<(Name, Row)>> {
        let taken = u32::try_from(rows.len())
            .ok()
            .and_then(|count| self.0.checked_add(count))
            .filter(|taken| *taken <= MOST);
        let Some(taken) = taken else {
            waiting.sync()?;
            self.0 = 0;
            return Ok(Vec::new());
        };
        let places = (self.0..taken).map(place).zip(rows).collect();
        self.0 = taken;
        Ok(places)
    }

    /// Empties the slots if the file of deals was written anew since they were last empty.
    ///
    /// # Errors
    /// As [`clear`]; then the next call tries it again.
    pub(super) fn tidy(
        &mut self,
        slots: &mut Slots,
        waiting: &mut Waiting,
    ) -> Result<(), CustodianError> {
        if waiting.is_anew() {
            clear(slots, waiting)?;
            self.0 = 0;
        }
        Ok(())
    }
}

/// Empties the slots once all rows are on disk in their own file.
///
/// # Errors
/// What is wrong with either file.
pub(super) fn clear(slots: &mut Slots, waiting: &mut Waiting) -> Result<(), CustodianError> {
    waiting.sync().map_err(CustodianError::Deals)?;
    slots.erase_versions(&[(Kind::Dealt, HANDLE)])?;
    waiting.none_beside();
    Ok(())
}

fn place(number: u32) -> Name {
    Name {
        kind: Kind::Dealt,
        handle: HANDLE,
        version: number,
    }
}
