"""Holds FHIR JSON against the models of fhir.resources: R4B for R4, and R5.

Usage: fhir_models.py r4|r5 FILE...; exits with 1 and names the file if one does not fit.
"""

import json
import sys


def resources(document):
    """The document, and every resource of it if it is a Bundle."""
    yield document
    for entry in document.get("entry", []):
        yield entry["resource"]


def model_of(release, kind):
    package = "fhir.resources.R4B" if release == "r4" else "fhir.resources"
    return __import__(f"{package}.{kind.lower()}", fromlist=[kind]).__dict__[kind]


def main(release, files):
    wrong = 0
    for file in files:
        with open(file, encoding="utf-8") as opened:
            document = json.load(opened)
        for resource in resources(document):
            kind = resource["resourceType"]
            try:
                model_of(release, kind).model_validate(resource)
                print(f"ok {kind} {file}")
            except ValueError as error:
                print(f"wrong {kind} {file}: {error}")
                wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
