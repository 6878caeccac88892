//! Lots and units: bring packs to life, and pass them on.
//!
//! What always holds: product, lot number and codes stay at home; the ledger sees handles under the
//! lot's key. A participant further down is given the handles of its own packs only, as [`Pack`]s.

use crate::consignment::Consignment;
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::event::{
    Event, EventBody, LotOpen, UnitCommission, UnitDispense, UnitReceive, UnitShip, Units,
};
use medanchor_ledger::{LotHandle, NetworkId, ParticipantName, UnitHandle};
use medanchor_vault::CodeScheme;

/// The most units that one event moves.
pub const MAX_UNITS: usize = 128;

/// A production lot of this maker.
pub struct Lot {
    inner: medanchor_vault::Lot,
    network: NetworkId,
    maker: ParticipantName,
}

/// A pack, as the ledger knows it. A [`Consignment`] says which printed code it bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Who brought it to life.
    pub maker: ParticipantName,
    /// Its handle, among the maker's.
    pub unit: UnitHandle,
}

impl Lot {
    /// What the ledger calls the lot.
    #[must_use]
    pub const fn handle(&self) -> LotHandle {
        self.inner.handle()
    }

    /// The pack that bears this full code.
    #[must_use]
    pub fn pack(&self, code: &str) -> Pack {
        Pack {
            maker: self.maker.clone(),
            unit: self.inner.unit(code),
        }
    }

    /// What the receiver of the packs that bear these codes is to be given.
    #[must_use]
    pub fn consign<C: Into<String>>(&self, codes: impl IntoIterator<Item = C>) -> Consignment {
        let unit = |code: C| {
            let code = code.into();
            let unit = self.inner.unit(&code);
            (code, unit)
        };
        let units = codes.into_iter().map(unit);
        Consignment::new(self.network, self.maker.clone(), units)
    }
}

impl Identity {
    /// A lot of this maker: always the same for the same words.
    #[must_use]
    pub fn lot(&self, scheme: CodeScheme, product: &str, number: &str) -> Lot {
        let inner = self.vault().lot(scheme, product, number);
        Lot {
            inner,
            network: self.network(),
            maker: self.participant().clone(),
        }
    }

    /// Signs the opening of a lot. To be anchored once, before its first units.
    ///
    /// # Errors
    /// [`SdkError::Randomness`].
    pub fn open_lot(&self, lot: &Lot) -> Result<Event, SdkError> {
        self.sign(LotOpen {
            lot: lot.handle(),
            commitment: lot.inner.commitment(),
        })
    }

    /// Signs that these packs of a lot exist, 128 in an event.
    ///
    /// # Errors
    /// [`SdkError`] when there are none.
    pub fn commission(&self, lot: &Lot, packs: &[Pack]) -> Result<Vec<Event>, SdkError> {
        let lot = lot.handle();
        self.in_events(packs, |_, units| UnitCommission { lot, units }.into())
    }

    /// Signs that these packs are on their way to another participant.
    ///
    /// # Errors
    /// [`SdkError`] when there are none.
    pub fn ship(&self, packs: &[Pack], to: &ParticipantName) -> Result<Vec<Event>, SdkError> {
        self.in_events(packs, |maker, units| {
            UnitShip {
                maker,
                units,
                to: to.clone(),
            }
            .into()
        })
    }

    /// Signs that these packs have arrived from another participant.
    ///
    /// # Errors
    /// [`SdkError`] when there are none.
    pub fn receive(&self, packs: &[Pack], from: &ParticipantName) -> Result<Vec<Event>, SdkError> {
        self.in_events(packs, |maker, units| {
            UnitReceive {
                maker,
                units,
                from: from.clone(),
            }
            .into()
        })
    }

    /// Signs that these packs were handed to patients. No link to a prescription goes along.
    ///
    /// # Errors
    /// [`SdkError`] when there are none.
    pub fn dispense(&self, packs: &[Pack]) -> Result<Vec<Event>, SdkError> {
        self.in_events(packs, |maker, units| UnitDispense { maker, units }.into())
    }

    /// One event for each maker and each 128 of its packs.
    fn in_events(
        &self,
        packs: &[Pack],
        body: impl Fn(ParticipantName, Units) -> EventBody,
    ) -> Result<Vec<Event>, SdkError> {
        let mut sorted: Vec<&Pack> = packs.iter().collect();
        sorted.sort_by(|a, b| (&a.maker, a.unit).cmp(&(&b.maker, b.unit)));
        sorted.dedup();
        let mut events = Vec::new();
        for of_maker in sorted.chunk_by(|a, b| a.maker == b.maker) {
            for some in of_maker.chunks(MAX_UNITS) {
                let units = Units::new(some.iter().map(|pack| pack.unit))?;
                // A chunk is never empty.
                if let Some(first) = some.first() {
                    events.push(self.sign(body(first.maker.clone(), units))?);
                }
            }
        }
        Ok(events)
    }
}
