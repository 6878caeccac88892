//! What an application reads of others: handed-over texts, FHIR and EPCIS files, its own journal.

use crate::{Seeds, Target, rewritten};
use medanchor_ledger::{EventId, Time, sha256};
use medanchor_sdk::card::Card;
use medanchor_sdk::fhir::Consent;
use medanchor_sdk::import::{
    Amount, Import, Member, Role, Roster, Scheme, UnitCode, import_bytes, plan,
};
use medanchor_sdk::journal::Journal;
use medanchor_sdk::{
    Approval, BroughtKey, ConsentDraft, Consignment, DelegationApproval, DelegationDraft,
    GrantTicket, PatientToken, SignedClaim, SignedEnd,
};
use std::collections::BTreeSet;

const TEXTS: Seeds = Seeds::of("vectors/handover", "", ".txt");
/// A ticket's text is the armour of its bytes.
const TICKETS: Seeds = Seeds::of("vectors/handover", "", ".txt").holding(|_, text| {
    let text = String::from_utf8(text).unwrap_or_default();
    let ticket = GrantTicket::from_text(text.trim_end()).ok();
    ticket
        .iter()
        .map(|ticket| ticket.encode().to_vec())
        .collect()
});
/// The strings of a file that begin as codes do.
const CODES: Seeds = Seeds::of("seeds/epcis", "", ".jsonld").holding(|_, bytes| {
    let strings = bytes.split(|byte| *byte == b'"');
    let codes = strings.filter(|text| text.starts_with(b"urn:epc:") || text.starts_with(b"http"));
    codes
        .map(<[u8]>::to_vec)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
});
const EPCIS: [Seeds; 2] = [
    Seeds::of("seeds/epcis", "", ".jsonld"),
    Seeds::of("seeds/epcis", "", ".json"),
];
const FHIR: [Seeds; 3] = [
    Seeds::of("seeds/fhir/single", "", ".json"),
    Seeds::of("seeds/fhir/north-hospital", "consents", ".json"),
    Seeds::of("seeds/fhir/east-pharmacy", "dispense-", ".json"),
];
const CONSENTS: Seeds = Seeds::of("vectors/fhir", "", ".json");
const CARDS: Seeds = Seeds::of("vectors/card", "", ".txt");
const LINES: [Seeds; 2] = [
    Seeds::of("seeds/fhir/west-pharmacy", "", ".ndjson"),
    Seeds::of("seeds/fhir/south-hospital", "", ".ndjson"),
];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("handover-text", &[TEXTS], handover).holding(64),
    Target::new("grant-ticket", &[TICKETS], ticket).holding(64),
    Target::new("import-fhir", &FHIR, |bytes| imported("file.json", bytes)).holding(512),
    Target::new("import-fhir-lines", &LINES, |bytes| {
        imported("file.ndjson", bytes)
    })
    .holding(512),
    Target::new("import-epcis", &EPCIS, |bytes| {
        imported("file.jsonld", bytes)
    })
    .holding(512),
    Target::new("fhir-consent-r4", &[CONSENTS], consent_r4).holding(512),
    Target::new("fhir-consent-r5", &[CONSENTS], consent_r5).holding(512),
    Target::new("patient-card", &[CARDS], card).holding(64),
    Target::new("unit-code", &[CODES], code).holding(64),
    Target::new(
        "sdk-journal",
        &[Seeds::of("vectors/sdk-journal", "", ".journal")],
        journal,
    )
    .holding(64),
];

fn handover(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let text = text.strip_suffix('\n').unwrap_or(text);
    let same = |written: &str| assert_eq!(written, text, "one meaning, two texts");
    let readers = [
        PatientToken::from_text(text).map(|token| same(&token.to_text())),
        SignedClaim::from_text(text).map(|claim| same(&claim.to_text())),
        GrantTicket::from_text(text).map(|ticket| same(&ticket.to_text())),
        Consignment::from_text(text).map(|packs| same(&packs.to_text())),
        BroughtKey::from_text(text).map(|key| same(&key.to_text())),
        ConsentDraft::from_text(text).map(|draft| same(&draft.to_text())),
        Approval::from_text(text).map(|approval| same(&approval.to_text())),
        DelegationDraft::from_text(text).map(|draft| same(&draft.to_text())),
        DelegationApproval::from_text(text).map(|approval| same(&approval.to_text())),
        SignedEnd::from_text(text).map(|end| same(&end.to_text())),
    ];
    let count = readers.iter().flatten().count();
    assert!(count <= 1, "one text, two meanings");
    count == 1
}

fn ticket(bytes: &[u8]) -> bool {
    rewritten(bytes, GrantTicket::decode(bytes).ok(), |ticket| {
        ticket.encode().to_vec()
    })
    .is_some()
}

/// Whatever could be read can be planned, and only by members.
fn imported(name: &str, bytes: &[u8]) -> bool {
    let Import { items, .. } = import_bytes(name, bytes);
    let now = Time(1_790_000_000_000);
    let planned = plan(&items, &roster(), now);
    let member = |name: &str| MEMBERS.iter().any(|(member, _)| *member == name);
    assert!(planned.steps.iter().all(|step| member(step.by.as_str())));
    !items.is_empty()
}

/// What was read can be written, and is read again as it was.
fn consent_r4(bytes: &[u8]) -> bool {
    let read = |text: &str| Consent::from_r4(text).ok();
    let Some(consent) = std::str::from_utf8(bytes).ok().and_then(read) else {
        return false;
    };
    let written = consent.to_r4().expect("what was read follows the profile");
    assert_eq!(
        read(&written.to_string()).as_ref(),
        Some(&consent),
        "one consent, two meanings"
    );
    // What R5 can say comes back as the same, or in the one form that R5 has of two.
    if let Ok(other) = consent.to_r5() {
        let back = Consent::from_r5(&other.to_string()).expect("what was written is read");
        assert_eq!(back.to_r5().ok(), Some(other), "R5 changed it twice");
    }
    true
}

fn consent_r5(bytes: &[u8]) -> bool {
    let read = |text: &str| Consent::from_r5(text).ok();
    let Some(consent) = std::str::from_utf8(bytes).ok().and_then(read) else {
        return false;
    };
    let written = consent.to_r5().expect("what was read can be said in R5");
    assert_eq!(
        read(&written.to_string()).as_ref(),
        Some(&consent),
        "one consent, two meanings"
    );
    true
}

/// Reading tries no PIN, so it costs nothing.
fn card(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let card = Card::from_text(text).ok();
    if let Some(card) = &card {
        assert_eq!(card.to_text().as_str(), text.trim(), "one card, two texts");
    }
    card.is_some()
}

const MEMBERS: [(&str, Role); 7] = [
    ("drug-regulator", Role::Regulator),
    ("east-pharmacy", Role::Pharmacy),
    ("jade-pharma", Role::Manufacturer),
    ("north-hospital", Role::Hospital),
    ("river-distribution", Role::Distributor),
    ("south-hospital", Role::Hospital),
    ("west-pharmacy", Role::Pharmacy),
];

fn roster() -> Roster {
    let member = |(name, role): (&str, Role)| Member {
        name: name.parse().expect("a name"),
        role,
        jurisdiction: "CN".to_owned(),
    };
    Roster::new(MEMBERS.map(member).into())
}

fn code(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let code = UnitCode::parse(text);
    if let Ok(code) = &code {
        let link = as_link(code);
        let again = UnitCode::parse(&link).ok();
        let long = link.len() > 256;
        assert!(long || again.as_ref() == Some(code), "{link} is another");
    }
    let amount = Amount::from_decimal(text).map(|amount| amount.times(amount.millionths()));
    code.is_ok() || amount.is_ok()
}

/// The code as EPCIS may carry it; any of its characters may be written as a percent and its number.
fn as_link(code: &UnitCode) -> String {
    let full = code.full();
    match (code.scheme(), full.get(..2), full.split_at_checked(18)) {
        (Scheme::Sgtin, _, Some((start, serial))) => {
            let serial = serial.bytes().map(|byte| format!("%{byte:02X}"));
            let gtin = start.get(2..16).unwrap_or_default();
            format!(
                "https://id.gs1.org/01/{gtin}/21/{}",
                serial.collect::<String>()
            )
        }
        (Scheme::Gs1, Some("00"), _) => format!("https://id.gs1.org/00/{}", &full[2..]),
        _ => full.to_owned(),
    }
}

/// The journal is the application's own file, on a disk that may lie.
fn journal(bytes: &[u8]) -> bool {
    // The "events" of the frozen journals are plain words.
    fn id_of(event: &[u8]) -> Option<EventId> {
        Some(EventId::new(sha256(&[event])))
    }
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    let path = folder.path().join("journal");
    std::fs::write(&path, bytes).expect("a file in a new folder");
    let Ok(journal) = Journal::open(&path, id_of) else {
        return false;
    };
    let pending = journal.pending();
    drop(journal);
    let again = Journal::open(&path, id_of).expect("what was opened before");
    assert_eq!(again.pending(), pending, "opening changed what is pending");
    true
}
