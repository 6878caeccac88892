//! What a receiver of packs is given beside the goods: the handles of its own packs, and of no others.
//!
//! What always holds: a consignment holds codes as printed and their handles, each code once, in order;
//! whoever has it can follow these packs on the ledger, so it goes by a confidential way.

use crate::armor;
use crate::domain::Pack;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::{NetworkId, ParticipantName, UnitHandle};
use std::collections::BTreeMap;

const LABEL: &str = "medanchor-packs-v1";
/// The most packs of one consignment.
const MAX_PACKS: usize = 100_000;
/// The longest code, in bytes.
const MAX_CODE: usize = 200;
/// The longest encoding.
const MAX: usize = 32 << 20;

/// The packs of one maker that go to one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consignment {
    /// The network whose ledger has the packs.
    pub network: NetworkId,
    /// Who brought the packs to life.
    pub maker: ParticipantName,
    units: BTreeMap<String, UnitHandle>,
}

impl Consignment {
    /// Lists packs, each with its full code.
    #[must_use]
    pub fn new(
        network: NetworkId,
        maker: ParticipantName,
        units: impl IntoIterator<Item = (String, UnitHandle)>,
    ) -> Self {
        Self {
            network,
            maker,
            units: units.into_iter().collect(),
        }
    }

    /// The pack that bears this code, as scanned.
    #[must_use]
    pub fn pack(&self, code: &str) -> Option<Pack> {
        let unit = *self.units.get(code)?;
        Some(Pack {
            maker: self.maker.clone(),
            unit,
        })
    }

    /// Every pack, in the order of the codes.
    #[must_use]
    pub fn packs(&self) -> Vec<Pack> {
        let pack = |unit: &UnitHandle| Pack {
            maker: self.maker.clone(),
            unit: *unit,
        };
        self.units.values().map(pack).collect()
    }

    /// The codes, in order.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.units.keys().map(String::as_str)
    }

    /// The consignment as text, for a message to the receiver.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut writer = Writer::with_capacity(64 + self.units.len() * 64);
        writer.map(3);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.maker.as_str());
        writer.key(3).array(self.units.len());
        for (code, unit) in &self.units {
            writer.array(2).text(code).bytes(unit.as_bytes());
        }
        armor::to_text(LABEL, &writer.into_bytes()).to_string()
    }

    /// Reads what [`Consignment::to_text`] gave and nothing else.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or of another kind.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        let bytes = armor::from_text(LABEL, text, MAX)?;
        let mut reader = Reader::new(&bytes);
        reader.map(3)?;
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let maker = reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?;
        let count = reader.key(3)?.array(1..=MAX_PACKS)?;
        let mut units = BTreeMap::new();
        for _ in 0..count {
            reader.array(2..=2)?;
            let code = reader.text(MAX_CODE)?.to_owned();
            if units
                .last_key_value()
                .is_some_and(|(last, _)| *last >= code)
            {
                return Err(HandoverError::Inconsistent(
                    "the codes are not in order, or one stands twice",
                ));
            }
            units.insert(code, UnitHandle::new(reader.fixed()?));
        }
        reader.finish()?;
        Ok(Self {
            network,
            maker,
            units,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consignment(codes: &[&str]) -> Consignment {
        let units = (0u8..)
            .zip(codes)
            .map(|(n, code)| ((*code).to_owned(), UnitHandle::new([n; 16])));
        Consignment::new(NetworkId::new([1; 16]), "maker".parse().unwrap(), units)
    }

    #[test]
    fn a_consignment_survives_the_handover() {
        let sent = consignment(&["81234560000000000001", "81234560000000000002"]);
        let text = sent.to_text();
        assert_eq!(
            text,
            include_str!("../../vectors/handover/packs.txt").trim_end()
        );
        let read = Consignment::from_text(&text).unwrap();
        assert_eq!(read, sent);
        assert_eq!(read.pack("81234560000000000002").unwrap(), read.packs()[1]);
        assert!(read.pack("81234560000000000003").is_none());
    }

    #[test]
    fn an_empty_or_disordered_list_is_refused() {
        assert!(Consignment::from_text(&consignment(&[]).to_text()).is_err());
        let mut writer = Writer::new();
        writer
            .map(3)
            .key(1)
            .bytes(&[1; 16])
            .key(2)
            .text("maker")
            .key(3)
            .array(2);
        for code in ["b", "a"] {
            writer.array(2).text(code).bytes(&[0; 16]);
        }
        let text = armor::to_text(LABEL, &writer.into_bytes());
        assert!(matches!(
            Consignment::from_text(&text),
            Err(HandoverError::Inconsistent(_))
        ));
    }
}
