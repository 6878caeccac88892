"""Prints every element that FHIR defines in a Consent, by the models of fhir.resources: R4B for R4, and R5.

Usage: fhir_elements.py r4|r5; one line for each, such as `Consent.provision.actor`.
"""

import importlib
import sys

BACKBONE = {
    "Consent": ["Consent"],
    "ConsentPolicy": ["Consent.policy"],
    "ConsentPolicyBasis": ["Consent.policyBasis"],
    "ConsentProvision": ["Consent.provision", "Consent.provision.provision"],
    "ConsentProvisionActor": ["Consent.provision.actor"],
    "ConsentProvisionData": ["Consent.provision.data"],
    "ConsentVerification": ["Consent.verification"],
}
DATA_TYPES = ["Attachment", "CodeableConcept", "Coding", "Identifier", "Meta", "Narrative", "Period", "Reference"]
# PCF forbids the whole of it in R4.
LEFT_OUT = {"r4": ["ConsentVerification"], "r5": []}


def elements(model):
    for name, field in model.model_fields.items():
        name = field.alias or name
        if not name.startswith("_") and name not in ("fhir_comments", "resource_type"):
            yield name


def main(release):
    package = "fhir.resources.R4B" if release == "r4" else "fhir.resources"
    consent = importlib.import_module(f"{package}.consent")
    for model, names in BACKBONE.items():
        if model not in LEFT_OUT[release] and hasattr(consent, model):
            print(*(f"{name}.{element}" for name in names for element in elements(getattr(consent, model))), sep="\n")
    for name in DATA_TYPES:
        model = getattr(importlib.import_module(f"{package}.{name.lower()}"), name)
        print(*(f"{name}.{element}" for element in elements(model)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
