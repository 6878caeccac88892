//! The elements that FHIR R4 and R5 define in a Consent and in the data types it uses.

/// What FHIR calls a data type or backbone element, where in the full resource one stands, and its members.
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) at: &'static str,
    /// What is read and written again; `sourceReference` and `sourceAttachment` stand in for each other.
    pub(super) kept: &'static [&'static str],
    /// What is refused, with a value that FHIR would have.
    pub(super) refused: &'static [(&'static str, &'static str)],
}

const CODE: &str = r#"[{"code":"x"}]"#;
const WORDS: &str = r#"[{"text":"x"}]"#;
pub(super) const DATA_TYPES: &[Type] = &[
    Type {
        name: "Coding",
        at: "/identifier/0/type/coding/0",
        kept: &["system", "version", "code", "display", "userSelected"],
        refused: &[],
    },
    Type {
        name: "CodeableConcept",
        at: "/category/0",
        kept: &["coding", "text"],
        refused: &[],
    },
    Type {
        name: "Identifier",
        at: "/identifier/0",
        kept: &["use", "type", "system", "value", "period", "assigner"],
        refused: &[],
    },
    Type {
        name: "Reference",
        at: "/identifier/0/assigner",
        kept: &["reference", "type", "identifier", "display"],
        refused: &[],
    },
    Type {
        name: "Period",
        at: "/identifier/0/period",
        kept: &["start", "end"],
        refused: &[],
    },
    Type {
        name: "Meta",
        at: "/meta",
        kept: &[
            "versionId",
            "lastUpdated",
            "source",
            "profile",
            "security",
            "tag",
        ],
        refused: &[],
    },
    Type {
        name: "Narrative",
        at: "/text",
        kept: &["status", "div"],
        refused: &[],
    },
];

pub(super) const R4: &[Type] = &[
    Type {
        name: "Consent",
        at: "",
        kept: &[
            "id",
            "meta",
            "language",
            "text",
            "identifier",
            "status",
            "scope",
            "category",
            "patient",
            "dateTime",
            "performer",
            "organization",
            "sourceReference",
            "sourceAttachment",
            "policy",
            "policyRule",
            "provision",
        ],
        refused: &[
            ("implicitRules", r#""https://a.example/rules""#),
            ("contained", r#"[{"resourceType":"Patient"}]"#),
            ("verification", r#"[{"verified":true}]"#),
        ],
    },
    Type {
        name: "Consent.policy",
        at: "/policy/0",
        kept: &["uri", "authority"],
        refused: &[],
    },
    Type {
        name: "Consent.provision",
        at: "/provision",
        kept: &[
            "type",
            "period",
            "actor",
            "securityLabel",
            "purpose",
            "dataPeriod",
            "data",
            "provision",
        ],
        refused: &[("action", WORDS), ("class", CODE), ("code", WORDS)],
    },
    Type {
        name: "Consent.provision.provision",
        at: "/provision/provision/0",
        kept: &[
            "type",
            "period",
            "actor",
            "securityLabel",
            "purpose",
            "dataPeriod",
            "data",
        ],
        refused: &[
            ("action", WORDS),
            ("class", CODE),
            ("code", WORDS),
            ("provision", r#"[{"type":"deny"}]"#),
        ],
    },
    Type {
        name: "Consent.provision.actor",
        at: "/provision/actor/0",
        kept: &["role", "reference"],
        refused: &[],
    },
    Type {
        name: "Consent.provision.data",
        at: "/provision/data/0",
        kept: &["meaning", "reference"],
        refused: &[],
    },
    Type {
        name: "Attachment",
        at: "/sourceAttachment",
        kept: ATTACHMENT,
        refused: &[],
    },
];

const ATTACHMENT: &[&str] = &[
    "contentType",
    "language",
    "data",
    "url",
    "size",
    "hash",
    "title",
    "creation",
];

pub(super) const R5: &[Type] = &[
    Type {
        name: "Consent",
        at: "",
        kept: &[
            "id",
            "meta",
            "language",
            "text",
            "identifier",
            "status",
            "category",
            "subject",
            "date",
            "period",
            "grantor",
            "controller",
            "sourceReference",
            "sourceAttachment",
            "regulatoryBasis",
            "policyBasis",
            "verification",
            "decision",
            "provision",
        ],
        refused: &[
            ("implicitRules", r#""https://a.example/rules""#),
            ("contained", r#"[{"resourceType":"Patient"}]"#),
            ("grantee", r#"[{"display":"x"}]"#),
            ("manager", r#"[{"display":"x"}]"#),
            ("policyText", r#"[{"display":"x"}]"#),
        ],
    },
    Type {
        name: "Consent.policyBasis",
        at: "/policyBasis",
        kept: &["url"],
        refused: &[("reference", r#"{"display":"x"}"#)],
    },
    Type {
        name: "Consent.verification",
        at: "/verification/0",
        kept: &[
            "verified",
            "verificationType",
            "verifiedBy",
            "verifiedWith",
            "verificationDate",
        ],
        refused: &[],
    },
    Type {
        name: "Consent.provision",
        at: "/provision/0",
        kept: &[
            "actor",
            "securityLabel",
            "purpose",
            "dataPeriod",
            "data",
            "resourceType",
            "provision",
        ],
        refused: &[
            ("period", r#"{"end":"2030"}"#),
            ("action", WORDS),
            ("documentType", CODE),
            ("code", WORDS),
            (
                "expression",
                r#"{"language":"text/fhirpath","expression":"true"}"#,
            ),
        ],
    },
    Type {
        name: "Consent.provision.provision",
        at: "/provision/0/provision/0",
        kept: &[
            "actor",
            "securityLabel",
            "purpose",
            "dataPeriod",
            "data",
            "resourceType",
        ],
        refused: &[
            ("period", r#"{"end":"2030"}"#),
            ("action", WORDS),
            ("documentType", CODE),
            ("code", WORDS),
            (
                "expression",
                r#"{"language":"text/fhirpath","expression":"true"}"#,
            ),
            ("provision", r#"[{"purpose":[{"code":"x"}]}]"#),
        ],
    },
    Type {
        name: "Consent.provision.actor",
        at: "/provision/0/actor/0",
        kept: &["role", "reference"],
        refused: &[],
    },
    Type {
        name: "Consent.provision.data",
        at: "/provision/0/data/0",
        kept: &["meaning", "reference"],
        refused: &[],
    },
    Type {
        name: "Attachment",
        at: "/sourceAttachment/0",
        kept: ATTACHMENT,
        refused: &[
            ("height", "1"),
            ("width", "1"),
            ("frames", "1"),
            ("duration", "1.5"),
            ("pages", "1"),
        ],
    },
];
