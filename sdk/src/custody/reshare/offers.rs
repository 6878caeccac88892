//! What the members of a new set made of what they were offered.
//!
//! What always holds: a member stands in the file before anything is offered to it, so whoever does not
//! holds nothing of the move; once one of them is known to hold a share, it is known for good.
//!
//! `FOLDER/resharing/RECORD-VERSION-EPOCH.offers` has a line for each, in the order of their names: the
//! name, a space, and one of
//!
//! | | |
//! |---|---|
//! | `asked` | it was offered its part, and may hold its share |
//! | `refused` | it refused what a contributor shared out, and will again |
//! | `holds` | it holds a share of this set, which is the only one it ever takes |

use super::MoveStep;
use super::{MAX_FILE, MoveError, Moving, Told, io};
use crate::custody::asked::at_once;
use crate::custody::circle::Seat;
use crate::custody::messages::write_messages;
use crate::custody::reshare_ask::{OTHER_SHARE, UNFIT_SUB_SHARE};
use crate::direct::Ask;
use crate::durable;
use medanchor_ledger::ParticipantName;
use medanchor_vault::custody::{Acknowledgement, Points, ShareIndex, Signed, SubDeal};
use std::collections::BTreeMap;
use std::path::Path;

/// How a member stands to what it was offered; what is greater is known better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    Asked,
    Refused,
    Holds,
}

impl Stand {
    const ALL: [Self; 3] = [Self::Asked, Self::Refused, Self::Holds];

    const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Holds => "holds",
        }
    }
}

/// How the members stand that were offered anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers(BTreeMap<ParticipantName, Stand>);

impl Offers {
    /// Nobody was offered anything if there is no file.
    pub(super) fn read(path: &Path) -> Result<Self, MoveError> {
        let bytes = durable::read_bounded(path, MAX_FILE).map_err(io(path))?;
        Self::decode(&bytes.unwrap_or_default()).ok_or_else(|| MoveError::Earlier {
            path: path.into(),
            why: "it is damaged".into(),
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut stands = BTreeMap::new();
        for line in std::str::from_utf8(bytes).ok()?.lines() {
            let (name, word) = line.split_once(' ')?;
            let stand = Stand::ALL.into_iter().find(|one| one.word() == word)?;
            stands.insert(name.parse().ok()?, stand);
        }
        // One meaning has one encoding: in order, nobody twice, every line ended.
        let read = Self(stands);
        (read.encode().as_bytes() == bytes).then_some(read)
    }

    fn encode(&self) -> String {
        let line = |(name, stand): (&ParticipantName, &Stand)| format!("{name} {}\n", stand.word());
        self.0.iter().map(line).collect()
    }

    fn write(&self, path: &Path) -> Result<(), MoveError> {
        durable::write(path, self.encode().as_bytes()).map_err(io(path))
    }

    fn now(&mut self, name: &ParticipantName, stand: Stand) {
        let known = self.0.entry(name.clone()).or_insert(stand);
        *known = stand.max(*known);
    }

    fn who(&self, stand: Stand) -> Vec<ParticipantName> {
        let such = self.0.iter().filter(|(_, one)| **one == stand);
        such.map(|(name, _)| name.clone()).collect()
    }

    /// Whether others can be offered: nobody holds a share, as far as is known, and if somebody may,
    /// then what was offered is refused for good by another, so that nothing is lost.
    pub(super) fn require_none_held(&self) -> Result<(), MoveError> {
        let (asked, holders) = (self.who(Stand::Asked), self.who(Stand::Holds));
        if !holders.is_empty() {
            return Err(MoveError::Held(holders));
        }
        match asked.is_empty() || !self.who(Stand::Refused).is_empty() {
            true => Ok(()),
            false => Err(MoveError::MayHold(asked)),
        }
    }
}

/// How acknowledgements that were kept stand to a move.
pub(super) enum Kept {
    /// Every new member has acknowledged the points.
    Whole,
    /// Every one has, but not each by a key that it has now.
    OtherKeys,
    /// They are of something else.
    Others,
}

/// What a member says to its part.
enum Answer {
    Holds(Box<Signed<Acknowledgement>>),
    /// A contributor's sub-share does not fit.
    Refused(String),
    /// It took another share for this set.
    HoldsAnother(String),
}

impl Moving<'_> {
    /// Step 3: the acknowledgements of all new members.
    pub(super) fn acknowledged(
        &self,
        each: &[Vec<Signed<SubDeal>>],
        points: &Points,
        told: Told<'_, '_>,
    ) -> Result<Vec<Signed<Acknowledgement>>, MoveError> {
        let path = self.path("offers");
        let mut offers = Offers::read(&path)?;
        self.new
            .names()
            .for_each(|name| offers.now(name, Stand::Asked));
        offers.write(&path)?;
        let places = ShareIndex::all(self.new.seats.len());
        let asked: Vec<_> = self.new.seats.iter().zip(places).zip(each).collect();
        let answers = at_once(&asked, |((seat, place), deals)| {
            self.answer((seat, *place), deals, points)
        });
        let (mut acks, mut silent) = (Vec::new(), Vec::new());
        let mut stuck = false;
        for (answer, seat) in answers.into_iter().zip(&self.new.seats) {
            let name = &seat.custodian.name;
            let why = match answer {
                Ok(Answer::Holds(ack)) => {
                    told(MoveStep::Acknowledged(name));
                    offers.now(name, Stand::Holds);
                    acks.push(*ack);
                    continue;
                }
                Ok(Answer::Refused(why)) => {
                    offers.now(name, Stand::Refused);
                    why
                }
                Ok(Answer::HoldsAnother(why)) => {
                    offers.now(name, Stand::Holds);
                    stuck = true;
                    why
                }
                Err(why) => why,
            };
            silent.push((name.clone(), why));
        }
        offers.write(&path)?;
        match silent.is_empty() {
            true => Ok(acks),
            false if stuck || !offers.who(Stand::Refused).is_empty() => {
                let holders = offers.who(Stand::Holds);
                Err(MoveError::Refused { silent, holders })
            }
            false => Err(MoveError::NotAcknowledged(silent)),
        }
    }

    fn answer(
        &self,
        (seat, place): (&Seat, ShareIndex),
        deals: &[Signed<SubDeal>],
        points: &Points,
    ) -> Result<Answer, String> {
        let body = write_messages(deals);
        let answer = match (self.sdk).ask_seat(seat, self.own, Ask::Rejoin, &body, "") {
            Ok(answer) => answer,
            Err(no) if no.code == UNFIT_SUB_SHARE => return Ok(Answer::Refused(no.why)),
            Err(no) if no.code == OTHER_SHARE => return Ok(Answer::HoldsAnother(no.why)),
            Err(no) => return Err(no.why),
        };
        let ack: Signed<Acknowledgement> = Signed::decode(&answer).map_err(|e| e.to_string())?;
        match self.is_by((seat, place), &ack, points) {
            true => Ok(Answer::Holds(Box::new(ack))),
            false => Err("it acknowledged something else".into()),
        }
    }

    fn is_by(
        &self,
        (seat, place): (&Seat, ShareIndex),
        ack: &Signed<Acknowledgement>,
        points: &Points,
    ) -> bool {
        let signs = |key| ack.verify(key).is_ok();
        self.says((seat, place), ack, points) && seat.keys.iter().any(signs)
    }

    /// Whether it says that this member holds its share under these points, whatever key signed it.
    fn says(
        &self,
        (seat, place): (&Seat, ShareIndex),
        ack: &Signed<Acknowledgement>,
        points: &Points,
    ) -> bool {
        let says = ack.says();
        says.record == self.custodied()
            && says.place.custodian == seat.custodian.name
            && (says.place.epoch, says.place.index) == (self.new.epoch(), place)
            && says.points == points.hash()
    }

    /// How kept acknowledgements stand to these points.
    pub(super) fn kept(&self, acks: &[Signed<Acknowledgement>], points: &Points) -> Kept {
        let members = || {
            let places = ShareIndex::all(self.new.seats.len());
            self.new.seats.iter().zip(places)
        };
        let signed = |one| acks.iter().any(|ack| self.is_by(one, ack, points));
        let said = |one| acks.iter().any(|ack| self.says(one, ack, points));
        if members().all(signed) {
            Kept::Whole
        } else if members().all(said) {
            Kept::OtherKeys
        } else {
            Kept::Others
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(text: &str) -> Option<Offers> {
        Offers::decode(text.as_bytes())
    }

    #[test]
    fn a_file_is_read_in_one_way_alone() {
        let good = "archive asked\nbar holds\ndean refused\n";
        assert_eq!(offers(good).unwrap().encode(), good);
        assert_eq!(offers(""), Some(Offers::default()));
        for bad in [
            "archive asked",
            "archive\n",
            "archive  asked\n",
            "archive asked \n",
            "archive took\n",
            "Archive asked\n",
            "bar asked\narchive asked\n",
            "archive asked\narchive holds\n",
            "archive asked\r\n",
            "\n",
        ] {
            assert_eq!(offers(bad), None, "{bad:?}");
        }
        assert_eq!(Offers::decode(&[0xff]), None);
    }

    #[test]
    fn a_member_that_holds_a_share_holds_it_whatever_it_says_later() {
        let name = "archive".parse().unwrap();
        let mut all = Offers::default();
        for stand in [Stand::Asked, Stand::Refused, Stand::Holds] {
            all.now(&name, stand);
            assert_eq!(all.who(stand), std::slice::from_ref(&name));
        }
        all.now(&name, Stand::Refused);
        all.now(&name, Stand::Asked);
        assert_eq!(all.who(Stand::Holds), [name]);
    }

    #[test]
    fn others_are_offered_only_while_nobody_is_known_to_hold_a_share() {
        let judged = |text: &str| offers(text).unwrap().require_none_held();
        for text in [
            "",
            "archive refused\nbar refused\n",
            "archive asked\nbar refused\n",
        ] {
            judged(text).unwrap();
        }
        let held = judged("archive holds\nbar refused\ndean asked\n");
        let archive = "archive".parse().unwrap();
        assert!(matches!(held, Err(MoveError::Held(who)) if who == [archive]));
        // A power cut may have kept its answer from us, and nobody has refused.
        let dean = "dean".parse().unwrap();
        assert!(matches!(judged("dean asked\n"), Err(MoveError::MayHold(who)) if who == [dean]));
    }
}
