//! What old custodians contribute to a move.
//!
//! What always holds: what is handed out is on disk first, and stays the same for as long as any new
//! custodian holds a part of it, since it keeps one share for a set; it is made anew, without whoever is
//! to be left out, only while none is known to hold any.

use super::offers::Offers;
use super::{MoveError, MoveStep, Moving, Told, io, read, write};
use crate::custody::asked::at_once;
use crate::custody::circle::{Circle, Seat};
use crate::custody::messages::read_messages;
use crate::custody::reshare_ask::ReshareAsk;
use crate::direct::Ask;
use crate::durable;
use medanchor_ledger::ParticipantName;
use medanchor_vault::custody::{Points, ShareIndex, Signed, SubDeal};

impl Moving<'_> {
    /// Steps 1 and 2: what an earlier try left, by contributor and then by receiver; or anew.
    pub(super) fn contributed(
        &self,
        points: &Points,
        told: Told<'_, '_>,
    ) -> Result<Vec<Signed<SubDeal>>, MoveError> {
        let old = Circle::of_epoch(self.sdk.client(), self.book, self.held.epoch())?;
        self.require_enough_others(&old, points.threshold())?;
        let offers = self.path("offers");
        let earlier = read::<SubDeal>(&self.path("deals"))?;
        let anew = earlier.is_some();
        if let Some(deals) = earlier {
            // What every new custodian has accepted is right.
            if !self.is_to_be_made_anew(&deals) || self.path("acks").exists() {
                return Ok(deals);
            }
            Offers::read(&offers)?.require_none_held()?;
        }
        let deals = self.contributions(&old, points, told)?;
        durable::remove_file(&offers).map_err(io(&offers))?;
        write(&self.path("deals"), &deals)?;
        if anew {
            told(MoveStep::Anew);
        }
        Ok(deals)
    }

    fn is_to_be_made_anew(&self, deals: &[Signed<SubDeal>]) -> bool {
        let mut by = deals.iter().map(|deal| &deal.says().terms.from.custodian);
        by.any(|name| self.without.contains(name))
    }

    /// Whoever is to be left out holds a share, and enough are left.
    fn require_enough_others(&self, old: &Circle, needed: usize) -> Result<(), MoveError> {
        let is_in = |name: &&ParticipantName| old.names().any(|one| one == *name);
        if let Some(name) = self.without.iter().find(|name| !is_in(name)) {
            let (name, epoch) = (name.clone(), old.epoch());
            return Err(MoveError::NoCustodian { name, epoch });
        }
        let left = old.names().filter(|name| !self.without.contains(name));
        match left.count() {
            left if left < needed => Err(MoveError::TooManyLeftOut { left, needed }),
            _ => Ok(()),
        }
    }

    /// Sub-deals of as many old custodians as it takes, by contributor and then by receiver.
    fn contributions(
        &self,
        old: &Circle,
        points: &Points,
        told: Told<'_, '_>,
    ) -> Result<Vec<Signed<SubDeal>>, MoveError> {
        let mut silent = Vec::new();
        let mut left: Vec<(ShareIndex, &Seat)> = ShareIndex::all(old.seats.len())
            .zip(&old.seats)
            .filter(|(_, seat)| !self.without.contains(&seat.custodian.name))
            .collect();
        let awake = at_once(&left, |(_, seat)| self.is_awake(seat));
        Self::sort_out(&mut left, awake, &mut silent, told);
        loop {
            let needed = points.threshold();
            let Some(chosen) = left.get(..needed).map(<[_]>::to_vec) else {
                let found = left.len();
                return Err(MoveError::TooFew {
                    found,
                    needed,
                    silent,
                });
            };
            let ask = ReshareAsk {
                record: self.record,
                contributors: chosen.iter().map(|(place, _)| *place).collect(),
                keys: self
                    .new
                    .members()?
                    .into_iter()
                    .map(|member| member.key)
                    .collect(),
            };
            let answers = at_once(&chosen, |one| self.contribution(one, &ask, points));
            if answers.iter().all(Result::is_ok) {
                for (_, seat) in &chosen {
                    told(MoveStep::Contributed(&seat.custodian.name));
                }
                return Ok(answers.into_iter().flatten().flatten().collect());
            }
            let mut answers: Vec<_> = answers.into_iter().map(|one| one.map(drop)).collect();
            answers.resize_with(left.len(), || Ok(()));
            Self::sort_out(&mut left, answers, &mut silent, told);
        }
    }

    /// Leaves out whoever did not answer.
    fn sort_out(
        left: &mut Vec<(ShareIndex, &Seat)>,
        answers: Vec<Result<(), String>>,
        silent: &mut Vec<(ParticipantName, String)>,
        told: Told<'_, '_>,
    ) {
        let mut answers = answers.into_iter();
        left.retain(|(_, seat)| match answers.next() {
            Some(Err(why)) => {
                told(MoveStep::Silent(&seat.custodian.name, &why));
                silent.push((seat.custodian.name.clone(), why));
                false
            }
            _ => true,
        });
    }

    fn is_awake(&self, seat: &Seat) -> Result<(), String> {
        let link = seat.link(self.own, self.sdk.client().config());
        let link = link.map_err(|e| e.to_string())?;
        link.get("/health", 64).map(drop).map_err(|e| e.to_string())
    }

    /// One contributor's sub-deals, checked as far as anybody but their receivers can.
    fn contribution(
        &self,
        (place, seat): &(ShareIndex, &Seat),
        ask: &ReshareAsk,
        old: &Points,
    ) -> Result<Vec<Signed<SubDeal>>, String> {
        let answer = (self.sdk).ask_seat(seat, self.own, Ask::Reshare, &ask.encode(), "")?;
        let deals = read_messages::<SubDeal>(&answer).map_err(|e| e.to_string())?;
        let record = self.custodied();
        let first = deals.first().map(|deal| deal.says().terms.points.clone());
        let names = self.new.names();
        let fits = |((deal, name), to): ((&Signed<SubDeal>, &ParticipantName), ShareIndex)| {
            let terms = &deal.says().terms;
            terms.record == record
                && terms.from.custodian == seat.custodian.name
                && terms.from.index == *place
                && terms.from.epoch == self.held.epoch()
                && terms.contributors == ask.contributors
                && terms.to.custodian == *name
                && (terms.to.epoch, terms.to.index) == (self.new.epoch(), to)
                && Some(&terms.points) == first.as_ref()
                && terms.points.threshold() == self.new.threshold()
                && terms.is_of(old)
                && terms.continues(old)
                && seat.keys.iter().any(|key| deal.verify(key).is_ok())
        };
        let members = self.new.seats.len();
        let places = ShareIndex::all(members);
        let sound = deals.len() == members && deals.iter().zip(names).zip(places).all(fits);
        match sound {
            true => Ok(deals),
            false => Err("what it shared out is not its share; tell the authorities".into()),
        }
    }
}
