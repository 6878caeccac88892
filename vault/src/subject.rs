//! A subject's handles on the ledger: tags, and what a consent holds instead of words.
//!
//! What always holds: without the subject's key at the institution, nobody can tell which subject a
//! tag belongs to, link the tags of two epochs or two institutions, or guess at a class or purpose.
//! Equal inputs give equal handles, which is what the rules compare.
//!
//! ```text
//! subject key = HMAC(tag key, "medanchor/subject/v1" || institution)
//! approval seed = HMAC(tag key, "medanchor/approval/v1" || institution)
//! ending seed = HMAC(tag key, "medanchor/consent-ending-seed/v1" || network || consent || institution)
//! tag         = HMAC(subject key, "medanchor/tag-handle/v1" || epoch as u32)[..16]
//! consent key = HMAC(subject key, "medanchor/consent/v1" || epoch as u32)
//! class       = HMAC(consent key, "medanchor/class/v1" || value)[..16]
//! purpose     = HMAC(consent key, "medanchor/purpose/v1" || value)[..16]
//! opening     = HMAC(consent key, "medanchor/opening/v1" || grantee)[..16]
//! renewal     = HMAC(consent key, "medanchor/renewal/v1" || consent)[..16]
//! ```

use crate::secret::{ConsentKey, SubjectKey, TagKey, handle_bytes, hmac_sha256};
use medanchor_ledger::event::GranteeOpening;
use medanchor_ledger::{
    ClassHandle, ConsentHandle, NetworkId, ParticipantName, PurposeHandle, Tag, Time,
};
use zeroize::Zeroizing;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// A quarter of a year, counted from the first of 1970, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The quarter that a time falls into.
    ///
    /// ```
    /// # use medanchor_vault::Epoch;
    /// # use medanchor_ledger::Time;
    /// assert_eq!(Epoch::of(Time(0)), Epoch(0));
    /// assert_eq!(Epoch::of(Time(1_767_225_600_000)), Epoch(4 * 56)); // 2026-01-01
    /// ```
    #[must_use]
    pub fn of(time: Time) -> Self {
        let (year, month) = year_and_month(time.0 / DAY);
        let quarters = year
            .saturating_sub(1970)
            .saturating_mul(4)
            .saturating_add((month - 1) / 3);
        Self(u32::try_from(quarters).unwrap_or(u32::MAX))
    }
}

impl Epoch {
    /// The quarter's first moment.
    ///
    /// ```
    /// # use medanchor_vault::Epoch;
    /// # use medanchor_ledger::Time;
    /// assert_eq!(Epoch(4 * 56).begin(), Time(1_767_225_600_000)); // 2026-01-01
    /// ```
    #[must_use]
    pub fn begin(self) -> Time {
        // Counted from March, as below: the quarters begin in the months 10, 1, 4 and 7 of that count,
        // the first of them in the year before.
        let (year, quarter) = (1970 + u64::from(self.0 / 4), self.0 % 4);
        let (year, from_march) = match quarter {
            0 => (year - 1, 10),
            quarter => (year, 3 * u64::from(quarter) - 2),
        };
        let days = 365 * year + year / 4 - year / 100 + year / 400;
        let day = days + (153 * from_march + 2) / 5;
        Time((day - 719_468).saturating_mul(DAY))
    }
}

/// Year and month (1 to 12) of a day counted from 1970-01-01, in the Gregorian calendar. Years are
/// counted from March, so that the leap day comes last.
fn year_and_month(day: u64) -> (u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let day = day + 719_468; // from 0000-03-01
    let (cycle, day) = (day / DAYS_OF_400_YEARS, day % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (cycle * 400 + year + u64::from(month <= 2), month)
}

impl TagKey {
    /// The subject's key at one institution.
    #[must_use]
    pub fn at(&self, institution: &ParticipantName) -> SubjectKey {
        let parts: [&[u8]; 2] = [b"medanchor/subject/v1", institution.as_str().as_bytes()];
        SubjectKey::new(hmac_sha256(self.expose(), &parts))
    }

    /// The seed of the key with which the subject approves consents at one institution. Unlike the
    /// subject's key there, the institution is never given it; and its public half at one institution
    /// cannot be linked to that at another.
    #[must_use]
    pub fn approval_seed(&self, institution: &ParticipantName) -> Zeroizing<[u8; 32]> {
        let parts: [&[u8]; 2] = [b"medanchor/approval/v1", institution.as_str().as_bytes()];
        Zeroizing::new(hmac_sha256(self.expose(), &parts))
    }
}

impl TagKey {
    /// The seed of the key with which the subject can end one consent of one institution, and nothing
    /// else. The consent's handle is the salt, which the ledger keeps: who has the tag key needs
    /// nothing beside it. No two consents have one key, and nothing but the tag key links two of them.
    #[must_use]
    pub fn ending_seed(
        &self,
        network: NetworkId,
        institution: &ParticipantName,
        consent: &ConsentHandle,
    ) -> Zeroizing<[u8; 32]> {
        let parts: [&[u8]; 4] = [
            b"medanchor/consent-ending-seed/v1",
            network.as_bytes(),
            consent.as_bytes(),
            institution.as_bytes(),
        ];
        Zeroizing::new(hmac_sha256(self.expose(), &parts))
    }
}

impl SubjectKey {
    /// The subject's tag in one epoch.
    #[must_use]
    pub fn tag(&self, epoch: Epoch) -> Tag {
        Tag::new(handle_bytes(
            self.expose(),
            &[b"medanchor/tag-handle/v1", &epoch.0.to_be_bytes()],
        ))
    }

    /// The key of one epoch's consents and data classes.
    #[must_use]
    pub fn consent_key(&self, epoch: Epoch) -> ConsentKey {
        ConsentKey::new(hmac_sha256(
            self.expose(),
            &[b"medanchor/consent/v1", &epoch.0.to_be_bytes()],
        ))
    }
}

impl ConsentKey {
    /// The handle of a data class.
    #[must_use]
    pub fn class(&self, class: &str) -> ClassHandle {
        ClassHandle::new(handle_bytes(
            self.expose(),
            &[b"medanchor/class/v1", class.as_bytes()],
        ))
    }

    /// The handle of a purpose of use, such as `TREAT`.
    #[must_use]
    pub fn purpose(&self, purpose: &str) -> PurposeHandle {
        PurposeHandle::new(handle_bytes(
            self.expose(),
            &[b"medanchor/purpose/v1", purpose.as_bytes()],
        ))
    }

    /// What is given to one grantee alone, which shows it when it asks for access. The grantee's
    /// handle follows from it by the ledger's rule, [`GranteeOpening::grantee`].
    #[must_use]
    pub fn opening(&self, grantee: &ParticipantName) -> GranteeOpening {
        let parts: [&[u8]; 2] = [b"medanchor/opening/v1", grantee.as_str().as_bytes()];
        GranteeOpening::new(handle_bytes(self.expose(), &parts))
    }

    /// What the re-issue of a consent for this epoch is called on the ledger: one for each epoch, the same
    /// for the institution and for the patient, who both can tell it from any other consent.
    #[must_use]
    pub fn renewal(&self, consent: &ConsentHandle) -> ConsentHandle {
        let parts: [&[u8]; 2] = [b"medanchor/renewal/v1", consent.as_bytes()];
        ConsentHandle::new(handle_bytes(self.expose(), &parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_begins_where_the_one_before_ends() {
        for epoch in (1..1_000).map(Epoch) {
            let begin = epoch.begin();
            assert_eq!(Epoch::of(begin), epoch);
            assert_eq!(Epoch::of(Time(begin.0 - 1)), Epoch(epoch.0 - 1));
        }
        assert_eq!(Epoch(0).begin(), Time(0));
    }

    fn name(text: &str) -> ParticipantName {
        text.parse().unwrap()
    }

    #[test]
    fn quarters_begin_at_midnight_utc() {
        // Seconds from a calendar: 2024-02-29, 2024-04-01, 2025-01-01, 2000-03-01, 2100-03-01.
        for (seconds, year, quarter) in [
            (1_709_164_800, 2024, 0),
            (1_711_929_600, 2024, 1),
            (1_735_689_600, 2025, 0),
            (951_868_800, 2000, 0),
            (4_107_542_400, 2100, 0),
        ] {
            assert_eq!(
                Epoch::of(Time(seconds * 1000)),
                Epoch((year - 1970) * 4 + quarter),
                "{seconds}"
            );
        }
        assert_eq!(
            Epoch::of(Time(1_711_929_600_000 - 1)),
            Epoch((2024 - 1970) * 4)
        );
        assert!(Epoch::of(Time(u64::MAX)).0 > 1_000_000);
    }

    #[test]
    fn months_follow_a_naive_calendar() {
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let mut day = 0;
        for year in 1970..2402 {
            let february = if leap(year) { 29 } else { 28 };
            for (month, days) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                assert_eq!(year_and_month(day), (year, month));
                assert_eq!(year_and_month(day + days - 1), (year, month));
                day += days;
            }
        }
    }

    #[test]
    fn tags_differ_by_subject_institution_and_epoch() {
        let key = |byte| TagKey::new([byte; 32]);
        let (north, south) = (name("north-hospital"), name("south-hospital"));
        let tag = key(1).at(&north).tag(Epoch(220));
        assert_eq!(tag, key(1).at(&north).tag(Epoch(220)));
        assert_ne!(tag, key(2).at(&north).tag(Epoch(220)));
        assert_ne!(tag, key(1).at(&south).tag(Epoch(220)));
        assert_ne!(tag, key(1).at(&north).tag(Epoch(221)));
    }

    #[test]
    fn a_class_and_a_purpose_of_one_name_have_different_handles() {
        let key = TagKey::new([1; 32])
            .at(&name("north-hospital"))
            .consent_key(Epoch(220));
        assert_ne!(
            key.class("TREAT").as_bytes(),
            key.purpose("TREAT").as_bytes()
        );
        assert_ne!(
            key.opening(&name("a")).as_bytes(),
            key.opening(&name("b")).as_bytes()
        );
    }

    #[test]
    fn derivations_are_frozen() {
        let key = TagKey::new([1; 32]).at(&name("north-hospital"));
        assert_eq!(
            key.tag(Epoch(220)).to_string(),
            "f433f4b947309ab5cbd941fb3a6fb2f6"
        );
        let consent = key.consent_key(Epoch(220));
        assert_eq!(
            consent.class("medication").to_string(),
            "ef2caf82939010eafa0c06cd2004f785"
        );
        assert_eq!(
            consent.purpose("TREAT").to_string(),
            "c80a52d5d5e7644b42d491249437c1f9"
        );
        let opening = consent.opening(&name("south-hospital"));
        assert_eq!(
            hex::encode(opening.as_bytes()),
            "eb74d907b31994d0fccdd862e7389fee"
        );
        assert_eq!(
            opening.grantee(&name("south-hospital"), None).to_string(),
            "290914dec2c0e4fec5c4d7fcb2d9afb1"
        );
        let renewal = consent.renewal(&ConsentHandle::new([2; 16]));
        assert_eq!(renewal.to_string(), "64763b62d25af0be7082b5078c0365fe");
        assert_ne!(renewal, consent.renewal(&ConsentHandle::new([3; 16])));
        let seed = TagKey::new([1; 32]).approval_seed(&name("north-hospital"));
        assert_eq!(
            hex::encode(seed.as_slice()),
            "8af7c6395bb15c72695b5bba0d36d3e35d9fab1351708be63a08e1973445b0cd"
        );
        let of = |network, institution: &str, consent| {
            let consent = ConsentHandle::new([consent; 16]);
            let network = NetworkId::new([network; 16]);
            *TagKey::new([1; 32]).ending_seed(network, &name(institution), &consent)
        };
        let seed = of(1, "north-hospital", 2);
        assert_eq!(
            hex::encode(seed),
            "acd501fd4f38fe075a31f22d0e6040d1bef352bfcc7effc6f775d38364e653a4"
        );
        for other in [
            of(2, "north-hospital", 2),
            of(1, "south-hospital", 2),
            of(1, "north-hospital", 3),
        ] {
            assert_ne!(seed, other);
        }
    }
}
