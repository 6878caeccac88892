//! Every file in `vectors/handover`: the good ones read, the rejected ones are refused by every reader.

use medanchor_sdk::{
    Approval, BroughtKey, ConsentDraft, Consignment, DelegationApproval, DelegationDraft,
    GrantTicket, PatientToken, SignedClaim, SignedEnd,
};
use std::path::Path;

/// The names of the readers that accept `text`.
fn accepted_by(text: &str) -> Vec<&'static str> {
    let readers = [
        ("token", PatientToken::from_text(text).is_ok()),
        ("claim", SignedClaim::from_text(text).is_ok()),
        ("grant", GrantTicket::from_text(text).is_ok()),
        ("packs", Consignment::from_text(text).is_ok()),
        ("subject", BroughtKey::from_text(text).is_ok()),
        ("consent", ConsentDraft::from_text(text).is_ok()),
        ("approval", Approval::from_text(text).is_ok()),
        ("delegation", DelegationDraft::from_text(text).is_ok()),
        (
            "delegation-approval",
            DelegationApproval::from_text(text).is_ok(),
        ),
        ("end", SignedEnd::from_text(text).is_ok()),
    ];
    readers
        .into_iter()
        .filter_map(|(name, accepts)| accepts.then_some(name))
        .collect()
}

#[test]
fn each_text_is_read_by_its_own_reader_and_each_rejected_one_by_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/handover");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            let accepted = accepted_by(text.strip_suffix('\n').unwrap());
            match stem.starts_with("rejected-") {
                true => assert!(accepted.is_empty(), "{stem} is accepted by {accepted:?}"),
                // Of approvals there are two forms.
                false => assert_eq!(accepted, [stem.trim_end_matches("-without-ender")]),
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 68);
}
