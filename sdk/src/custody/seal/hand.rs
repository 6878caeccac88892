//! Handing deals out: each custodian's together, all custodians at once.

use super::CustodyError;
use super::file::Dealt;
use crate::anchor::Sdk;
use crate::custody::asked::at_once;
use crate::custody::circle::{Circle, Seat};
use crate::custody::messages::{read_messages, write_messages};
use crate::direct::{Ask, Certificate, LinkError, MAX_ANSWER, MAX_BODY};
use medanchor_vault::custody::{Acknowledgement, Deal, Signed};

/// Bytes that a message takes in a list beside its own, and its part of the list's head.
const ROOM: usize = 8;

impl Sdk {
    /// Posts every deal, each custodian's together and all custodians at once, and checks each
    /// acknowledgement; gives those of each record, in the order of places.
    pub(super) fn hand_out(
        &self,
        dealt: &[Dealt],
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Vec<Signed<Acknowledgement>>>, CustodyError> {
        let seats: Vec<(usize, &Seat)> = circle.seats.iter().enumerate().collect();
        let answers = at_once(&seats, |(place, seat)| {
            let deals = dealt
                .iter()
                .filter_map(|one| one.deals.get(*place).cloned());
            self.hand(&deals.collect::<Vec<_>>(), seat, own)
        });
        let mut records = vec![Vec::with_capacity(seats.len()); dealt.len()];
        for (answer, (_, seat)) in answers.into_iter().zip(seats) {
            let name = &seat.custodian.name;
            let acknowledged = answer.map_err(|why| CustodyError::NotAcknowledged {
                name: name.clone(),
                why,
            })?;
            for (record, one) in records.iter_mut().zip(acknowledged) {
                record.push(one);
            }
        }
        Ok(records)
    }

    fn hand(
        &self,
        deals: &[Signed<Deal>],
        seat: &Seat,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, String> {
        let longest = deals.iter().map(|deal| deal.encode().len()).max();
        let together = MAX_BODY / (longest.unwrap_or_default() + ROOM);
        let mut all = Vec::with_capacity(deals.len());
        for some in deals.chunks(together.max(1)) {
            all.extend(self.hand_some(some, seat, own)?);
        }
        Ok(all)
    }

    /// As many deals as fit into one statement.
    fn hand_some(
        &self,
        deals: &[Signed<Deal>],
        seat: &Seat,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, String> {
        let link = seat.link(own, self.client().config());
        let link = link.map_err(|error| error.to_string())?;
        let name = &seat.custodian.name;
        let statement = self
            .state_to(name, own, Ask::Deals, write_messages(deals))
            .map_err(|error| error.to_string())?;
        let answer = link
            .ask(Ask::Deals, &statement, MAX_ANSWER)
            .map_err(|error: LinkError| error.to_string())?;
        let answer: Vec<Signed<Acknowledgement>> =
            read_messages(&answer).map_err(|error| error.to_string())?;
        let same = answer.len() == deals.len()
            && (deals.iter().zip(&answer)).all(|(deal, one)| is_answer(deal, one));
        if !same {
            return Err("it acknowledged something else".into());
        }
        let signed = |key| Signed::verify_all(&answer, key).is_ok();
        match seat.keys.iter().any(signed) {
            true => Ok(answer),
            false => Err("it did not sign its acknowledgement".into()),
        }
    }
}

fn is_answer(deal: &Signed<Deal>, answer: &Signed<Acknowledgement>) -> bool {
    let (says, dealt) = (answer.says(), deal.says());
    says.record == dealt.record && says.place == dealt.place && says.points == dealt.points.hash()
}
