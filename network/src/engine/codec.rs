//! The engine's messages as bytes: on the wire, and in its write-ahead log.
//!
//! What always holds: strict (one encoding for one meaning, nothing may follow), bounded (a
//! certificate has at most [`MAX_VALIDATORS`] signatures), and nothing that consensus cannot use
//! is decoded: a vote without a round is refused.

use super::context::{Address, Height, Medanchor, Part, Proposal, Value, Vote};
use super::decided::{sync_block_from, sync_block_len, sync_block_to};
use crate::bytes::{Malformed, Reader, Writer};
use crate::limits::{MAX_VALIDATORS, SYNC_BATCH};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
    RoundSignature, SignedMessage, ValidatorProof, Validity, VoteType,
};
use arc_malachitebft_app_channel::app::types::streaming::StreamMessage;
use arc_malachitebft_app_channel::app::types::{ProposedValue, SignedConsensusMsg};
use arc_malachitebft_signing_ed25519::Signature;
use arc_malachitebft_sync::{Request, Response, Status, ValueRequest, ValueResponse};
use medanchor_ledger::ValueId;

type Read<T> = Result<T, Malformed>;

/// The one codec of the engine.
#[derive(Clone, Copy)]
pub struct WireCodec;

macro_rules! codec {
    ($message:ty, $what:literal, $write:path, $read:path) => {
        impl Codec<$message> for WireCodec {
            type Error = Malformed;

            fn encode(&self, message: &$message) -> Result<Bytes, Malformed> {
                let mut writer = Writer::default();
                $write(&mut writer, message);
                Ok(writer.0.into())
            }

            fn decode(&self, bytes: Bytes) -> Result<$message, Malformed> {
                let mut reader = Reader::new(&bytes, $what);
                let message = $read(&mut reader)?;
                reader.end()?;
                Ok(message)
            }
        }
    };
}

codec!(
    SignedConsensusMsg<Medanchor>,
    "vote or proposal",
    write_consensus,
    read_consensus
);
codec!(
    LivenessMsg<Medanchor>,
    "liveness message",
    write_liveness,
    read_liveness
);
codec!(
    ProposedValue<Medanchor>,
    "proposed value",
    write_proposed,
    read_proposed
);
codec!(
    PolkaCertificate<Medanchor>,
    "polka certificate",
    write_polka,
    read_polka
);
codec!(
    Request<Medanchor>,
    "sync request",
    write_request,
    read_request
);
codec!(
    Response<Medanchor>,
    "sync response",
    write_response,
    read_response
);

impl HasEncodedLen<Response<Medanchor>> for WireCodec {
    fn encoded_len(&self, response: &Response<Medanchor>) -> Result<usize, Malformed> {
        let Response::ValueResponse(response) = response;
        Ok(12 + response.values.iter().map(sync_block_len).sum::<usize>())
    }
}

/// What the engine's traits ask for and this network never does: its own network actor would
/// encode these, and we have another.
macro_rules! never {
    ($message:ty, $what:literal) => {
        impl Codec<$message> for WireCodec {
            type Error = Malformed;

            fn encode(&self, _: &$message) -> Result<Bytes, Malformed> {
                Err(Malformed { what: $what })
            }

            fn decode(&self, _: Bytes) -> Result<$message, Malformed> {
                Err(Malformed { what: $what })
            }
        }
    };
}

never!(Part, "engine part");
never!(StreamMessage<Part>, "engine part stream");
never!(ValidatorProof<Medanchor>, "validator proof");
never!(Status<Medanchor>, "engine status");

fn read_round(r: &mut Reader<'_>) -> Read<Round> {
    r.u32().map(Round::new)
}

fn write_round(w: &mut Writer, round: Round) {
    // Votes and certificates have a round; -1 saturates to one that nobody reaches.
    w.u32(round.as_u32().unwrap_or(u32::MAX));
}

fn read_maybe_round(r: &mut Reader<'_>) -> Read<Round> {
    Ok(r.option(Reader::u32)?.map_or(Round::Nil, Round::new))
}

fn write_maybe_round(w: &mut Writer, round: Round) {
    w.option(round.as_u32(), |w, round| {
        w.u32(round);
    });
}

fn read_address(r: &mut Reader<'_>) -> Read<Address> {
    r.name().map(Address)
}

fn read_signature(r: &mut Reader<'_>) -> Read<Signature> {
    r.array().map(Signature::from_bytes)
}

fn read_kind(r: &mut Reader<'_>) -> Read<VoteType> {
    match r.u8()? {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        _ => Err(r.malformed()),
    }
}

fn write_kind(w: &mut Writer, kind: VoteType) {
    w.u8(match kind {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    });
}

fn read_voted(r: &mut Reader<'_>) -> Read<NilOrVal<ValueId>> {
    Ok(r.option(Reader::value_id)?
        .map_or(NilOrVal::Nil, NilOrVal::Val))
}

fn write_voted(w: &mut Writer, value: &NilOrVal<ValueId>) {
    let value = match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(value),
    };
    w.option(value, |w, value| {
        w.put(value.as_bytes());
    });
}

fn write_vote(w: &mut Writer, vote: &SignedMessage<Medanchor, Vote>) {
    write_kind(w, vote.kind);
    w.u64(vote.height.0);
    write_round(w, vote.round);
    write_voted(w, &vote.value);
    w.name(&vote.voter.0).put(&vote.signature.to_bytes());
}

fn read_vote(r: &mut Reader<'_>) -> Read<SignedMessage<Medanchor, Vote>> {
    let vote = Vote {
        kind: read_kind(r)?,
        height: Height(r.u64()?),
        round: read_round(r)?,
        value: read_voted(r)?,
        voter: read_address(r)?,
    };
    Ok(SignedMessage::new(vote, read_signature(r)?))
}

fn write_proposal(w: &mut Writer, proposal: &SignedMessage<Medanchor, Proposal>) {
    w.u64(proposal.height.0);
    write_round(w, proposal.round);
    w.put(proposal.value.0.as_bytes());
    write_maybe_round(w, proposal.pol_round);
    w.name(&proposal.proposer.0)
        .put(&proposal.signature.to_bytes());
}

fn read_proposal(r: &mut Reader<'_>) -> Read<SignedMessage<Medanchor, Proposal>> {
    let proposal = Proposal {
        height: Height(r.u64()?),
        round: read_round(r)?,
        value: Value(r.value_id()?),
        pol_round: read_maybe_round(r)?,
        proposer: read_address(r)?,
    };
    Ok(SignedMessage::new(proposal, read_signature(r)?))
}

fn write_consensus(w: &mut Writer, message: &SignedConsensusMsg<Medanchor>) {
    match message {
        SignedConsensusMsg::Vote(vote) => write_vote(w.u8(1), vote),
        SignedConsensusMsg::Proposal(proposal) => write_proposal(w.u8(2), proposal),
    }
}

fn read_consensus(r: &mut Reader<'_>) -> Read<SignedConsensusMsg<Medanchor>> {
    match r.u8()? {
        1 => read_vote(r).map(SignedConsensusMsg::Vote),
        2 => read_proposal(r).map(SignedConsensusMsg::Proposal),
        _ => Err(r.malformed()),
    }
}

fn write_polka(w: &mut Writer, polka: &PolkaCertificate<Medanchor>) {
    w.u64(polka.height.0);
    write_round(w, polka.round);
    w.put(polka.value_id.as_bytes())
        .length(polka.polka_signatures.len());
    for signed in &polka.polka_signatures {
        w.name(&signed.address.0).put(&signed.signature.to_bytes());
    }
}

fn read_polka(r: &mut Reader<'_>) -> Read<PolkaCertificate<Medanchor>> {
    let (height, round, value_id) = (Height(r.u64()?), read_round(r)?, r.value_id()?);
    let count = r.length(MAX_VALIDATORS)?;
    let one = |_| Ok(PolkaSignature::new(read_address(r)?, read_signature(r)?));
    let polka_signatures = (0..count).map(one).collect::<Read<_>>()?;
    Ok(PolkaCertificate {
        height,
        round,
        value_id,
        polka_signatures,
    })
}

fn write_skip(w: &mut Writer, certificate: &RoundCertificate<Medanchor>) {
    w.u64(certificate.height.0);
    write_round(w, certificate.round);
    w.u8(match certificate.cert_type {
        RoundCertificateType::Skip => 1,
        RoundCertificateType::Precommit => 2,
    });
    w.length(certificate.round_signatures.len());
    for signed in &certificate.round_signatures {
        write_kind(w, signed.vote_type);
        write_voted(w, &signed.value_id);
        w.name(&signed.address.0).put(&signed.signature.to_bytes());
    }
}

fn read_skip(r: &mut Reader<'_>) -> Read<RoundCertificate<Medanchor>> {
    let (height, round) = (Height(r.u64()?), read_round(r)?);
    let cert_type = match r.u8()? {
        1 => RoundCertificateType::Skip,
        2 => RoundCertificateType::Precommit,
        _ => return Err(r.malformed()),
    };
    // One validator may stand there with both kinds of vote.
    let count = r.length(2 * MAX_VALIDATORS)?;
    let one = |_| {
        let (kind, value) = (read_kind(r)?, read_voted(r)?);
        Ok(RoundSignature::new(
            kind,
            value,
            read_address(r)?,
            read_signature(r)?,
        ))
    };
    let round_signatures = (0..count).map(one).collect::<Read<_>>()?;
    Ok(RoundCertificate {
        height,
        round,
        cert_type,
        round_signatures,
    })
}

fn write_liveness(w: &mut Writer, message: &LivenessMsg<Medanchor>) {
    match message {
        LivenessMsg::Vote(vote) => write_vote(w.u8(1), vote),
        LivenessMsg::PolkaCertificate(polka) => write_polka(w.u8(2), polka),
        LivenessMsg::SkipRoundCertificate(certificate) => write_skip(w.u8(3), certificate),
    }
}

fn read_liveness(r: &mut Reader<'_>) -> Read<LivenessMsg<Medanchor>> {
    match r.u8()? {
        1 => read_vote(r).map(LivenessMsg::Vote),
        2 => read_polka(r).map(LivenessMsg::PolkaCertificate),
        3 => read_skip(r).map(LivenessMsg::SkipRoundCertificate),
        _ => Err(r.malformed()),
    }
}

fn write_proposed(w: &mut Writer, proposed: &ProposedValue<Medanchor>) {
    w.u64(proposed.height.0);
    write_round(w, proposed.round);
    write_maybe_round(w, proposed.valid_round);
    w.name(&proposed.proposer.0)
        .put(proposed.value.0.as_bytes());
    w.u8(proposed.validity.is_valid().into());
}

fn read_proposed(r: &mut Reader<'_>) -> Read<ProposedValue<Medanchor>> {
    Ok(ProposedValue {
        height: Height(r.u64()?),
        round: read_round(r)?,
        valid_round: read_maybe_round(r)?,
        proposer: read_address(r)?,
        value: Value(r.value_id()?),
        validity: match r.u8()? {
            0 => Validity::Invalid,
            1 => Validity::Valid,
            _ => return Err(r.malformed()),
        },
    })
}

fn write_request(w: &mut Writer, request: &Request<Medanchor>) {
    let Request::ValueRequest(request) = request;
    w.u64(request.range.start().0).u64(request.range.end().0);
}

fn read_request(r: &mut Reader<'_>) -> Read<Request<Medanchor>> {
    let (first, last) = (Height(r.u64()?), Height(r.u64()?));
    if first > last {
        return Err(r.malformed());
    }
    Ok(Request::ValueRequest(ValueRequest::new(first..=last)))
}

fn write_response(w: &mut Writer, response: &Response<Medanchor>) {
    let Response::ValueResponse(response) = response;
    w.u64(response.start_height.0).length(response.values.len());
    response
        .values
        .iter()
        .for_each(|value| sync_block_to(w, value));
}

fn read_response(r: &mut Reader<'_>) -> Read<Response<Medanchor>> {
    let start = Height(r.u64()?);
    let count = r.length(SYNC_BATCH)?;
    let values = (0..count)
        .map(|_| sync_block_from(r))
        .collect::<Read<_>>()?;
    Ok(Response::ValueResponse(ValueResponse::new(start, values)))
}

#[cfg(test)]
mod tests;
