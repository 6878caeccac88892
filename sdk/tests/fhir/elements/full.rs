//! Resources that have every element that is kept.

use serde_json::{Value as Json, json};

fn concept() -> Json {
    json!({ "coding": [{ "system": "https://a.example/codes", "code": "a" }], "text": "words" })
}

fn rule() -> Json {
    json!({
        "actor": [{
            "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
            "reference": { "reference": "Organization/south" },
        }],
        "securityLabel": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }],
        "purpose": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT" }],
        "dataPeriod": { "start": "2020", "end": "2021-02" },
        "data": [
            { "meaning": "instance", "reference": { "reference": "Observation/1" } },
            { "meaning": "related", "reference": { "reference": "Encounter/1" } },
            { "meaning": "authoredby", "reference": { "reference": "Practitioner/1" } },
        ],
    })
}

fn with(mut json: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!() };
    json.as_object_mut().unwrap().extend(more);
    json
}

fn head() -> Json {
    json!({
        "resourceType": "Consent",
        "id": "full",
        "meta": {
            "versionId": "2", "lastUpdated": "2026-02-20T09:00:00+08:00", "source": "https://a.example/1",
            "profile": ["https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentAdvanced"],
            "security": [{ "code": "HTEST" }], "tag": [{ "code": "tagged" }],
        },
        "language": "zh-CN",
        "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">同意</div>" },
        "identifier": [{
            "use": "official",
            "type": { "coding": [{
                "system": "https://a.example/types", "version": "1", "code": "FILL", "display": "filler",
                "userSelected": true,
            }] },
            "system": "https://a.example/ids", "value": "C-1",
            "period": { "start": "2026-01-01", "end": "2027-01-01T00:00:00Z" },
            "assigner": {
                "reference": "Organization/north", "type": "Organization", "display": "North",
                "identifier": { "value": "N" },
            },
        }],
        "status": "active",
        "category": [concept()],
        "extension": [
            { "url": "urn:medanchor:fhir:separate-consent", "valueCode": "share" },
            { "url": "urn:medanchor:fhir:supersedes", "valueReference": { "reference": "Consent/0" } },
        ],
    })
}

fn attachment(size: Json) -> Json {
    json!({
        "contentType": "application/pdf", "language": "zh-CN", "data": "aGFsbG8=", "url": "https://a.example/1.pdf",
        "size": size, "hash": "aGFsbG8=", "title": "signed", "creation": "2026-02-20",
    })
}

pub(super) fn full_r4() -> Json {
    let class = |code: &str| json!({ "url": "urn:medanchor:fhir:data-class", "valueCoding": { "code": code } });
    let period = json!({ "start": "2026-02-20", "end": "2030" });
    let exception = with(
        rule(),
        json!({ "type": "deny", "period": period, "extension": [class("Condition")] }),
    );
    let root = with(
        rule(),
        json!({ "type": "permit", "period": period, "extension": [class("Observation")], "provision": [exception] }),
    );
    let guardian = json!({
        "reference": "RelatedPerson/1",
        "extension": [{ "url": "urn:medanchor:fhir:grantor-relation", "valueCoding": { "code": "GUARD" } }],
    });
    with(
        head(),
        json!({
            "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
            "patient": { "reference": "Patient/1" },
            "dateTime": "2026-02-20T09:00:00+08:00",
            "performer": [guardian],
            "organization": [{ "reference": "Organization/north" }],
            "sourceAttachment": attachment(json!(5)),
            "policy": [{ "uri": "https://a.example/policy/1", "authority": "https://a.example" }],
            "policyRule": concept(),
            "provision": root,
        }),
    )
}

pub(super) fn full_r5() -> Json {
    let kinds = json!({ "resourceType": [{ "code": "Observation" }] });
    let exception = with(rule(), kinds.clone());
    let root = with(with(rule(), kinds), json!({ "provision": [exception] }));
    let mut full = with(
        head(),
        json!({
            "subject": { "reference": "Patient/1" },
            "date": "2026-02-20",
            "period": { "start": "2026-02-20", "end": "2030" },
            "grantor": [{ "reference": "Patient/1" }],
            "controller": [{ "reference": "Organization/north" }],
            "sourceAttachment": [attachment(json!("5"))],
            "regulatoryBasis": [concept()],
            "policyBasis": { "url": "https://a.example/policy/1" },
            "verification": [{
                "verified": true, "verificationType": concept(), "verifiedBy": { "display": "a" },
                "verifiedWith": { "display": "b" }, "verificationDate": ["2026-02-21"],
            }],
            "decision": "deny",
            "provision": [root],
        }),
    );
    let moment =
        json!({ "url": "urn:medanchor:fhir:given", "valueDateTime": "2026-02-20T09:00:00+08:00" });
    full["extension"].as_array_mut().unwrap().push(moment);
    full
}
