//! Evidence that a custodian or a record's owner broke the custody of a key.
//!
//! What always holds: somebody is named only on its own signature, on facts that the policy's log proves,
//! and on an opening that seals to the very same bytes again; of a record that a file opens nothing is
//! printed, and it is said that the file opens it.

use crate::fault::{Failure, Fault};
use crate::trust::{Asked, Trust};
use medanchor_vault::custody::{Decided, EvidenceFile, LoggedRelease, Refusal};
use serde_json::{Value, json};

const OPENS: &str = "this file opens the record for whoever has it, so keep it as you would the record, and remove it when it is judged";

/// Who did what, for scripts and for people.
pub(crate) fn judge(bytes: &[u8], trust: &Trust) -> Result<(Value, String), Failure> {
    let bad = |cause: &dyn std::fmt::Display| Fault::Evidence(cause.to_string());
    let file = EvidenceFile::decode(bytes).map_err(|error| bad(&error))?;
    let evidence = file.evidence();
    let opens = evidence.shows_the_record();
    let asked = Asked::new(trust);
    let besides = if opens {
        format!("; {OPENS}")
    } else {
        String::new()
    };
    let convicted = file.verify(&asked);
    let convicted = convicted.map_err(|error| asked.why(&error, &besides))?;
    let about = evidence.record();
    let (owner, version) = (&about.owner, about.record.version);
    let record = about.record.record.to_string();
    let request = evidence.request().map(|request| request.to_string());
    let logged = evidence.logged().zip(file.decided(trust).ok().flatten());
    let refused = evidence.refusal().zip(file.decided(trust).ok().flatten());
    let heights = file.heights(trust).map_err(|error| bad(&error))?;
    let oldest = heights.iter().min();
    let value = json!({
        "verdict": "proved",
        "kind": "custody",
        "who": convicted.who.to_string(),
        "breach": convicted.of.code(),
        "owner": owner.to_string(),
        "record": record,
        "version": version,
        "request": request,
        "opens_the_record": opens,
        "as_of": oldest.map(|(height, time)| json!({ "height": height.0, "time": time.0 })),
        "refusal": refused.as_ref().map(|(refusal, decided)| json!({
            "code": refusal.code.as_str(),
            "time": refusal.time.0,
            "permitted": decided.time.0,
            "permit_ends": Refusal::permit_ends(decided).0,
        })),
        "logged": logged.as_ref().map(|(logged, decided)| json!({
            "place": logged.place().0,
            "time": logged.released().time.0,
            "anchored": logged.anchored().0,
            "key": logged.key().to_string(),
            "request": decided.place.0,
            "permitted": decided.permitted,
        })),
    });
    let mut text = format!(
        "PROVED: {} {}.\n  record            {record} of {owner}, version {version}\n",
        convicted.who,
        convicted.of.as_str()
    );
    if let Some(request) = request {
        text += &format!("  request           {request}\n");
    }
    if let Some((refusal, decided)) = &refused {
        let (at, ends) = (decided.time, Refusal::permit_ends(decided));
        text +=
            &format!("  permitted         at {at} ms since 1970, until {ends}, says the ledger\n");
        let (time, code) = (refusal.time, &refusal.code);
        text += &format!(
            "  refused           at {time} ms since 1970, for {code}, says whoever refused\n"
        );
    }
    if let Some((logged, decided)) = &logged {
        text += &logged_lines(logged, decided);
    }
    if let Some((height, time)) = oldest.filter(|_| logged.is_none()) {
        text += &format!(
            "  as of             height {height}, {time} ms since 1970: a key that was revoked later may be another's\n"
        );
    }
    text += match opens {
        true => {
            "The event on the ledger is its own, and the parts of the key are those that it binds.\n"
        }
        false if refused.is_some() => {
            "Its own signature is under the refusal, with time and reason as it gives them. Nothing is shown of why.\n"
        }
        false if logged.is_some() => {
            "Its own event on the ledger anchors the log that has the release, and no clock counts. Whose hand held that key is not shown, nor whether the reader got the share.\n"
        }
        false => "Its own signature is under it, and nobody who follows the protocol signs that.\n",
    };
    if opens {
        text += &format!("KEEP IT SAFE: {OPENS}.\n");
    }
    Ok((value, text))
}

/// Where the release was logged and anchored, and what the ledger says of its request.
fn logged_lines(logged: &LoggedRelease, decided: &Decided) -> String {
    let (place, at, key) = (logged.place(), logged.anchored(), logged.key());
    let decision = match decided.permitted {
        true => "permitted",
        false => "denied",
    };
    format!(
        "  released          release {place} of its log, anchored as entry {at} of the ledger under its key {key}\n  decided           {decision} as entry {} of the ledger, for record {} of {}\n",
        decided.place, decided.record, decided.owner
    )
}
