//! Evidence that a custodian or a record's owner broke the custody of a key.
//!
//! What always holds: somebody is named only on its own signature, on facts that the policy's log proves,
//! and on an opening that seals to the very same bytes again.

use crate::fault::Fault;
use medanchor_ledger::Size;
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_vault::custody::EvidenceFile;
use serde_json::{Value, json};

/// Who did what, for scripts and for people.
pub(crate) fn judge(bytes: &[u8], policy: Policy) -> Result<(Value, String), Fault> {
    let bad = |cause: &dyn std::fmt::Display| Fault::Evidence(cause.to_string());
    let file = EvidenceFile::decode(bytes).map_err(|error| bad(&error))?;
    let policy = PolicyRange::from(policy, Size(0));
    let convicted = file.verify(&policy).map_err(|error| bad(&error))?;
    let evidence = file.evidence();
    let about = evidence.record();
    let (owner, version) = (&about.owner, about.record.version);
    let record = about.record.record.to_string();
    let request = evidence.request().map(|request| request.to_string());
    let value = json!({
        "verdict": "proved",
        "kind": "custody",
        "who": convicted.who.to_string(),
        "breach": convicted.of.code(),
        "owner": owner.to_string(),
        "record": record,
        "version": version,
        "request": request,
    });
    let mut text = format!(
        "PROVED: {} {}.\n  record            {record} of {owner}, version {version}\n",
        convicted.who,
        convicted.of.as_str()
    );
    if let Some(request) = request {
        text += &format!("  request           {request}\n");
    }
    text += "Its own signature is under it, and nobody who follows the protocol signs that.\n";
    Ok((value, text))
}
