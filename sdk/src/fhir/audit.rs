//! The list of accesses as FHIR R4: AuditEvents by IHE BALP, and Provenance that says how each is proved.
//!
//! What always holds: one access gives one AuditEvent. A permitted one follows BALP's PatientRead;
//! a denied one, which BALP leaves to FHIR's own rules, has the same agents and entities and outcome 4
//! (the consent does not reach so far) or 8 (somebody had no right to ask). An emergency carries DICOM's
//! 110127 beside `read`, and breaking the glass the purpose BTG. A Bundle opens with what the list
//! claims, in English and Chinese: complete up to which checkpoint, whether it is old, each gap, what it
//! cannot say; and with a Provenance that names each quarter that the list rests on.

use super::purpose;
use crate::access_list::{
    AccessEntry, AccessList, Basis, Delegate, KeyHolder, Review, Said, limits, quarter_name,
};
use crate::import::time::instant;
use medanchor_ledger::rules::Decision;
use serde_json::{Value as Json, json};

/// BALP's profile of a read with a patient.
pub const PATIENT_READ: &str =
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PROVENANCE_AGENT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

fn coding(system: &str, code: &str, display: &str) -> Json {
    json!({ "system": system, "code": code, "display": display })
}

fn concept(system: &str, code: &str) -> Json {
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn organization(name: &str) -> Json {
    json!({ "type": "Organization", "identifier": { "system": "urn:medanchor:participant", "value": name }, "display": name })
}

/// An address for FHIR's network type 5, a URI, unless one was disclosed.
fn network(disclosed: Option<&str>, name: &str) -> Json {
    let participant = || format!("urn:medanchor:participant:{name}");
    json!({ "type": "5", "address": disclosed.map_or_else(participant, str::to_owned) })
}

impl AccessEntry {
    /// The id of its AuditEvent: the event's.
    fn id(&self) -> String {
        self.event.to_string()
    }

    fn audit_address(&self) -> String {
        format!("urn:medanchor:audit-event:{}", self.id())
    }

    /// The access as an AuditEvent (FHIR R4) of the patient at `patient`.
    #[must_use]
    pub fn to_audit_event(&self, patient: &str) -> Json {
        let mut event = json!({
            "resourceType": "AuditEvent",
            "id": self.id(),
            "type": coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "Restful Operation"),
            "subtype": self.subtypes(),
            "action": "R",
            "recorded": instant(self.time),
            "outcome": self.outcome(),
            "agent": self.agents(),
            "source": { "observer": organization(self.owner.as_str()) },
            "entity": self.entities(patient),
        });
        if let Some(purpose) = self.purpose() {
            event["purposeOfEvent"] = json!([concept(purpose::SYSTEM, purpose)]);
        }
        match self.decision {
            Decision::Permitted => event["meta"] = json!({ "profile": [PATIENT_READ] }),
            Decision::Denied(reason) => event["outcomeDesc"] = reason.as_str().into(),
        }
        event
    }

    fn subtypes(&self) -> Vec<Json> {
        let mut all = vec![coding(
            "http://hl7.org/fhir/restful-interaction",
            "read",
            "read",
        )];
        if self.is_emergency() {
            all.push(coding(DICOM, "110127", "Emergency Override Started"));
        }
        all
    }

    /// FHIR's outcome: 0 success, 4 minor failure, 8 serious failure.
    const fn outcome(&self) -> &'static str {
        match self.decision {
            Decision::Permitted => "0",
            Decision::Denied(_) if self.is_serious_denial() => "8",
            Decision::Denied(_) => "4",
        }
    }

    fn agents(&self) -> Vec<Json> {
        let (by, owner) = (self.by.as_str(), self.owner.as_str());
        let agent = |code, display, name: &str, address: Option<&str>, requestor| {
            json!({
                "type": { "coding": [coding(DICOM, code, display)] },
                "who": organization(name),
                "requestor": requestor,
                "network": network(address, name),
            })
        };
        let alone = self.person.is_none();
        let mut all = vec![
            agent(
                "110152",
                "Destination Role ID",
                by,
                self.origin.client.as_deref(),
                alone,
            ),
            agent(
                "110153",
                "Source Role ID",
                owner,
                self.origin.server.as_deref(),
                false,
            ),
        ];
        all.extend(self.user());
        all
    }

    fn user(&self) -> Option<Json> {
        let person = self.person.as_ref()?;
        let system = format!("urn:medanchor:participant:{}", self.by);
        let mut who = json!({ "identifier": { "system": system, "value": person.id } });
        let mut user = json!({
            "type": concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
            "requestor": true,
        });
        if let Some(name) = &person.name {
            who["display"] = name.as_str().into();
            user["name"] = name.as_str().into();
        }
        if let Some(purpose) = self.purpose() {
            user["purposeOfUse"] = json!([concept(purpose::SYSTEM, purpose)]);
        }
        user["who"] = who;
        Some(user)
    }

    fn entities(&self, patient: &str) -> Vec<Json> {
        let mut all = vec![
            json!({
                "what": { "reference": patient, "type": "Patient" },
                "type": coding(ENTITY_TYPE, "1", "Person"),
                "role": coding(OBJECT_ROLE, "1", "Patient"),
            }),
            self.data(),
        ];
        if let Some(request) = &self.request {
            all.push(json!({
                "what": { "identifier": { "system": format!("urn:medanchor:request:{}", self.by), "value": request.to_string() } },
                "type": { "system": BALP_ENTITY, "code": "XrequestId" },
            }));
        }
        if let Basis::Consent { consent, key } = &self.basis {
            let mut entity = json!({
                "what": { "type": "Consent", "identifier": { "system": format!("urn:medanchor:consent:{}", self.owner), "value": consent.to_string() } },
                "type": coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"),
            });
            match key {
                KeyHolder::Subject => {}
                KeyHolder::Delegate(by) => entity["detail"] = delegate_details(by),
                KeyHolder::Institution => {
                    entity["detail"] = json!([detail("key", "held by the institution")]);
                }
            }
            all.push(entity);
        }
        all
    }

    fn data(&self) -> Json {
        let mut what = json!({
            "identifier": { "system": format!("urn:medanchor:record:{}", self.owner), "value": self.record.to_string() },
        });
        if let Some(document) = &self.document {
            what["reference"] = document.as_str().into();
        }
        let mut details = Vec::new();
        details.extend(
            self.category
                .as_deref()
                .map(|category| detail("data-category", category)),
        );
        details.extend(
            self.emergency_words()
                .map(|words| detail("emergency", &words)),
        );
        let mut data = json!({
            "what": what,
            "type": coding(ENTITY_TYPE, "2", "System Object"),
            "role": coding(OBJECT_ROLE, "4", "Domain Resource"),
        });
        if !details.is_empty() {
            data["detail"] = details.into();
        }
        data
    }

    fn emergency_words(&self) -> Option<String> {
        match self.basis {
            Basis::Consent { .. } => None,
            Basis::BreakGlass(Review::Due(time)) => {
                Some(format!("break-glass, not reviewed, due {}", instant(time)))
            }
            Basis::BreakGlass(Review::Done { justified, late }) => {
                let found = if justified {
                    "justified"
                } else {
                    "not justified"
                };
                let late = if late { ", late" } else { "" };
                Some(format!("break-glass, reviewed as {found}{late}"))
            }
            Basis::BreakGlass(Review::NotNeeded) => Some("break-glass, nothing opened".into()),
            Basis::Emergency { since, claimed } => Some(format!(
                "network cut, opened between {} and {}, when is not proved; the owner claims {}",
                instant(since),
                instant(self.time),
                instant(claimed)
            )),
        }
    }

    /// How the access is proved, as a Provenance (FHIR R4) of its AuditEvent.
    #[must_use]
    pub fn to_provenance(&self, list: &AccessList) -> Json {
        let ledger = format!("urn:medanchor:log:{}", list.network);
        let source = |value: String| json!({ "role": "source", "what": { "identifier": { "system": ledger, "value": value } } });
        let mut provenance = json!({
            "resourceType": "Provenance",
            "target": [{ "reference": self.audit_address(), "type": "AuditEvent" }],
            "recorded": instant(list.until),
            "activity": concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE"),
            "agent": [
                { "type": concept(PROVENANCE_AGENT, "author"), "who": organization(self.by.as_str()) },
                { "type": concept(PROVENANCE_AGENT, "custodian"), "who": organization(self.owner.as_str()) },
            ],
            "entity": [
                source(format!("event/{}", self.event)),
                source(format!("receipt/{}/of/{}", self.proved.index.0, self.proved.size.0)),
            ],
        });
        let time = instant(self.time);
        match self.basis {
            Basis::Emergency { since, .. } => {
                provenance["occurredPeriod"] = json!({ "start": instant(since), "end": time });
            }
            _ => provenance["occurredDateTime"] = time.into(),
        }
        provenance
    }
}

fn delegate_details(by: &Delegate) -> Json {
    let delegation = format!(
        "{}, approved by the patient, on the ledger since {}; that the delegate wanted this is the institution's word",
        by.delegation,
        instant(by.since)
    );
    json!([
        detail("delegate", &by.name),
        detail("delegate-id", &by.id),
        detail("delegate-relation", by.relation.as_str()),
        detail("delegation", &delegation),
    ])
}

fn detail(name: &str, value: &str) -> Json {
    json!({ "type": name, "valueString": value })
}

impl AccessList {
    /// The list as a Bundle (FHIR R4): what it claims and rests on, then each access and its proof.
    #[must_use]
    pub fn to_bundle(&self) -> Json {
        let place = format!("{}:{}", self.network, self.size.0);
        let (claim, basis) = (
            self.claim_address(),
            format!("urn:medanchor:provenance:access-list:{place}"),
        );
        let mut entries = vec![
            json!({ "fullUrl": claim, "resource": self.outcome() }),
            json!({ "fullUrl": basis, "resource": self.to_provenance() }),
        ];
        for entry in &self.entries {
            let proof = format!("urn:medanchor:provenance:{}", entry.id());
            entries.push(json!({ "fullUrl": entry.audit_address(), "resource": entry.to_audit_event(&self.patient) }));
            entries.push(json!({ "fullUrl": proof, "resource": entry.to_provenance(self) }));
        }
        json!({ "resourceType": "Bundle", "type": "collection", "timestamp": instant(self.until), "entry": entries })
    }

    fn claim_address(&self) -> String {
        format!("urn:medanchor:access-list:{}:{}", self.network, self.size.0)
    }

    /// An OperationOutcome: how far the list is complete, whether it is old, each gap and each quarter, and
    /// what it cannot say.
    fn outcome(&self) -> Json {
        let said = |words: &Said| issue("information", "informational", words);
        let warned = |words: &Said| issue("warning", "incomplete", words);
        let mut issues = vec![said(&self.claim())];
        issues.extend(self.warnings().iter().map(warned));
        issues.extend(self.gaps.iter().map(|gap| warned(&gap.said())));
        issues.extend(self.quarters.iter().map(|one| said(&one.said())));
        issues.extend(limits().iter().map(|limit| said(&cannot_say(limit))));
        json!({ "resourceType": "OperationOutcome", "language": "en", "issue": issues })
    }

    /// What the list rests on, as a Provenance (FHIR R4) of its claim: each quarter that was asked for, and
    /// each gap by its quarters, record or reason.
    #[must_use]
    pub fn to_provenance(&self) -> Json {
        let ledger = format!("urn:medanchor:log:{}", self.network);
        let quarters = self.quarters.iter().map(|quarter| {
            let name = quarter_name(quarter.epoch);
            let value = match &quarter.proved {
                Ok(proof) => format!("quarter/{name}/events/{}/height/{}/of/{}", proof.count, proof.height, proof.size.0),
                Err(_) => format!("quarter/{name}/not-proved"),
            };
            json!({ "role": "source", "what": { "identifier": { "system": ledger, "value": value }, "display": quarter.said().en } })
        });
        let gaps = self.gaps.iter().map(|gap| {
            let value = format!("gap/{}", gap.why.code());
            json!({ "role": "source", "what": { "identifier": { "system": ledger, "value": value }, "display": format!("Gap: {}", gap.said().en) } })
        });
        json!({
            "resourceType": "Provenance",
            "target": [{ "reference": self.claim_address(), "type": "OperationOutcome" }],
            "occurredDateTime": instant(self.until),
            "recorded": instant(self.until),
            "activity": concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE"),
            "agent": [{ "type": concept(PROVENANCE_AGENT, "assembler"), "who": { "display": "Medanchor" } }],
            "entity": quarters.chain(gaps).collect::<Vec<_>>(),
        })
    }
}

fn cannot_say(limit: &Said) -> Said {
    Said {
        en: format!("This list cannot say: {}", limit.en),
        zh: format!("本清单不能说明：{}", limit.zh),
    }
}

/// With the Chinese words as FHIR's translation of the English ones.
fn issue(severity: &str, code: &str, words: &Said) -> Json {
    let chinese = json!({
        "url": TRANSLATION,
        "extension": [
            { "url": "lang", "valueCode": "zh" },
            { "url": "content", "valueString": words.zh },
        ],
    });
    json!({ "severity": severity, "code": code, "diagnostics": words.en, "_diagnostics": { "extension": [chinese] } })
}
