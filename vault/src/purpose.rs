//! Purposes of use: for what a record is read, by the codes of HL7 (value set PurposeOfUse).
//!
//! What always holds: a purpose that is granted permits itself and everything below it, except
//! break-glass. `BTG` lies below `ETREAT` and `TREAT`, and neither permits it: opening a record without
//! a consent is never part of a consent, and nobody grants `BTG` itself (`sdk/src/subject/draft.rs`).
//!
//! ```text
//! TREAT                    treatment
//!   COC CLINTRL POPHLTH    coordination of care, clinical trial, population health
//!   ETREAT                 emergency treatment
//!     BTG ERTREAT          break the glass, emergency room treatment
//! HPAYMT HOPERAT HRESCH HMARKT   payment, operations, research, marketing
//! PATRQT                   the patient's request
//!   FAMRQT PWATRNY SUPNWK  family, power of attorney, support network
//! PUBHLTH                  public health
//!   DISASTER THREAT        disaster, threat
//! ```
//!
//! The ledger compares handles for equality, so a consent lists every purpose that it permits:
//! [`expanded`] gives them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident $code:literal $parent:expr;)*) => {
        /// For what a record is read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Purpose {
            $($(#[$doc])* $name,)*
        }

        impl Purpose {
            /// Every purpose; each stands after its parent.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// HL7's code, such as `TREAT`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The purpose that this one is a kind of.
            #[must_use]
            pub const fn parent(self) -> Option<Self> {
                match self {
                    $(Self::$name => $parent,)*
                }
            }
        }
    };
}

purposes! {
    /// Treatment.
    Treatment "TREAT" None;
    /// Coordination of care.
    CareCoordination "COC" Some(Self::Treatment);
    /// Treatment within a clinical trial.
    ClinicalTrial "CLINTRL" Some(Self::Treatment);
    /// Health of a population of patients.
    PopulationHealth "POPHLTH" Some(Self::Treatment);
    /// Emergency treatment.
    Emergency "ETREAT" Some(Self::Treatment);
    /// Opening a record without a consent, in an emergency.
    BreakGlass "BTG" Some(Self::Emergency);
    /// Treatment in an emergency room.
    EmergencyRoom "ERTREAT" Some(Self::Emergency);
    /// Payment.
    Payment "HPAYMT" None;
    /// Running the institution.
    Operations "HOPERAT" None;
    /// Research.
    Research "HRESCH" None;
    /// The patient's own request.
    PatientRequest "PATRQT" None;
    /// A request of the patient's family.
    FamilyRequest "FAMRQT" Some(Self::PatientRequest);
    /// A request under a power of attorney.
    PowerOfAttorney "PWATRNY" Some(Self::PatientRequest);
    /// A request of the patient's support network.
    SupportNetwork "SUPNWK" Some(Self::PatientRequest);
    /// Public health.
    PublicHealth "PUBHLTH" None;
    /// A disaster.
    Disaster "DISASTER" Some(Self::PublicHealth);
    /// A threat to the public's health.
    Threat "THREAT" Some(Self::PublicHealth);
    /// Marketing.
    Marketing "HMARKT" None;
}

impl Purpose {
    /// Whether a consent for this purpose also permits `asked`.
    #[must_use]
    pub fn permits(self, asked: Self) -> bool {
        match asked.parent() {
            _ if asked == self => true,
            // Break-glass is permitted by its own name alone.
            Some(parent) if asked != Self::BreakGlass => self.permits(parent),
            _ => false,
        }
    }
}

/// Every purpose that a consent for `granted` permits.
///
/// ```
/// # use medanchor_vault::purpose::{Purpose, expanded};
/// let permitted = expanded([Purpose::Emergency]);
/// assert!(permitted.contains(&Purpose::EmergencyRoom));
/// assert!(!permitted.contains(&Purpose::BreakGlass));
/// ```
#[must_use]
pub fn expanded(granted: impl IntoIterator<Item = Purpose>) -> BTreeSet<Purpose> {
    let below = |granted: Purpose| {
        let all = Purpose::ALL.iter().copied();
        all.filter(move |asked| granted.permits(*asked))
    };
    granted.into_iter().flat_map(below).collect()
}

/// A code that is no purpose of use. The code itself is not repeated: it came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no purpose of use that is known here; use a code of HL7 PurposeOfUse, such as TREAT"
)]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(code: &str) -> Result<Self, UnknownPurpose> {
        let mut all = Self::ALL.iter().copied();
        all.find(|known| known.as_str() == code)
            .ok_or(UnknownPurpose)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each code permits, written out by hand: the oracle of the tests.
    const PERMITTED: [(&str, &[&str]); 18] = [
        (
            "TREAT",
            &["TREAT", "COC", "CLINTRL", "POPHLTH", "ETREAT", "ERTREAT"],
        ),
        ("COC", &["COC"]),
        ("CLINTRL", &["CLINTRL"]),
        ("POPHLTH", &["POPHLTH"]),
        ("ETREAT", &["ETREAT", "ERTREAT"]),
        ("BTG", &["BTG"]),
        ("ERTREAT", &["ERTREAT"]),
        ("HPAYMT", &["HPAYMT"]),
        ("HOPERAT", &["HOPERAT"]),
        ("HRESCH", &["HRESCH"]),
        ("PATRQT", &["PATRQT", "FAMRQT", "PWATRNY", "SUPNWK"]),
        ("FAMRQT", &["FAMRQT"]),
        ("PWATRNY", &["PWATRNY"]),
        ("SUPNWK", &["SUPNWK"]),
        ("PUBHLTH", &["PUBHLTH", "DISASTER", "THREAT"]),
        ("DISASTER", &["DISASTER"]),
        ("THREAT", &["THREAT"]),
        ("HMARKT", &["HMARKT"]),
    ];

    fn purpose(code: &str) -> Purpose {
        code.parse().unwrap()
    }

    #[test]
    fn every_pair_is_permitted_or_not_as_the_hierarchy_says() {
        let codes: Vec<_> = Purpose::ALL.iter().map(|known| known.as_str()).collect();
        assert_eq!(codes, PERMITTED.map(|(code, _)| code));
        for (granted, permitted) in PERMITTED {
            for asked in Purpose::ALL {
                let expected = permitted.contains(&asked.as_str());
                let found = purpose(granted).permits(*asked);
                assert_eq!(found, expected, "{granted} {asked}");
                assert_eq!(expanded([purpose(granted)]).contains(asked), expected);
            }
        }
    }

    #[test]
    fn of_every_two_grants_each_permits_what_it_does_alone() {
        for (first, _) in PERMITTED {
            for (second, _) in PERMITTED {
                let pair = [purpose(first), purpose(second)];
                let alone = pair.map(|one| expanded([one]));
                assert_eq!(expanded(pair), &alone[0] | &alone[1]);
                let named = pair.contains(&Purpose::BreakGlass);
                assert_eq!(expanded(pair).contains(&Purpose::BreakGlass), named);
            }
        }
    }

    #[test]
    fn nothing_but_its_own_name_permits_break_glass() {
        let others = Purpose::ALL.iter().copied();
        let others = others.filter(|known| *known != Purpose::BreakGlass);
        assert!(!expanded(others).contains(&Purpose::BreakGlass));
        assert!(expanded([]).is_empty());
    }

    #[test]
    fn a_parent_stands_before_its_children() {
        for (at, known) in Purpose::ALL.iter().enumerate() {
            let parent = known.parent();
            let before = &Purpose::ALL[..at];
            assert!(
                parent.is_none_or(|parent| before.contains(&parent)),
                "{known}"
            );
        }
    }

    #[test]
    fn codes_are_read_as_they_are_written_and_no_other() {
        for known in Purpose::ALL {
            assert_eq!(known.to_string().parse(), Ok(*known));
        }
        for other in ["", "treat", "TREAT ", "BTGX", "HL7"] {
            assert_eq!(other.parse::<Purpose>(), Err(UnknownPurpose), "{other:?}");
        }
    }
}
