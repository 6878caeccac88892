//! Every element that FHIR defines in a Consent, one by one: kept, or refused by its own path. The table of
//! docs/consent.md is held against this one, and this one against models that others made.

mod full;
mod table;

use self::full::{full_r4, full_r5};
use self::table::{DATA_TYPES, R4, R5, Type};
use crate::validator::elements_of_others;
use medanchor_sdk::fhir::{Consent, FhirError};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

struct Release {
    full: fn() -> Json,
    read: fn(&str) -> Result<Consent, FhirError>,
    write: fn(&Consent) -> Result<Json, FhirError>,
    types: &'static [Type],
    /// Its column of the table in docs/consent.md, and what fhir.resources is asked for.
    name: &'static str,
}

const RELEASES: [Release; 2] = [
    Release {
        full: full_r4,
        read: Consent::from_r4,
        write: Consent::to_r4,
        types: R4,
        name: "r4",
    },
    Release {
        full: full_r5,
        read: Consent::from_r5,
        write: Consent::to_r5,
        types: R5,
        name: "r5",
    },
];

impl Release {
    fn all(&self) -> impl Iterator<Item = &'static Type> {
        self.types.iter().chain(DATA_TYPES)
    }

    /// The full resource with its other source document.
    fn with_reference(&self) -> Json {
        let mut full = (self.full)();
        let members = full.as_object_mut().unwrap();
        members.remove("sourceAttachment").unwrap();
        let reference = json!({ "reference": "DocumentReference/1" });
        let reference = match self.name {
            "r4" => reference,
            _ => json!([reference]),
        };
        members.insert("sourceReference".into(), reference);
        full
    }

    /// A full resource that has this member.
    fn having(&self, of: &Type, member: &str) -> Json {
        match (of.at, member) {
            ("", "sourceReference") => self.with_reference(),
            _ => (self.full)(),
        }
    }
}

/// `/provision/actor/0/role` as an error names it.
fn path_of(pointer: &str) -> String {
    pointer
        .split('/')
        .skip(1)
        .fold("Consent".to_owned(), |path, part| {
            match part.parse::<usize>() {
                Ok(index) => format!("{path}[{index}]"),
                Err(_) => format!("{path}.{part}"),
            }
        })
}

fn member<'a>(json: &'a mut Json, at: &str) -> &'a mut serde_json::Map<String, Json> {
    json.pointer_mut(at).unwrap().as_object_mut().unwrap()
}

/// The full resource is carried whole: what comes out is what went in, and says the same when it comes in again.
#[test]
fn what_has_every_element_that_is_kept_is_written_again_equal() {
    for release in RELEASES {
        for full in [(release.full)(), release.with_reference()] {
            let read = (release.read)(&full.to_string()).unwrap();
            let written = (release.write)(&read).unwrap();
            assert_eq!(written, full);
            assert_eq!((release.read)(&written.to_string()).unwrap(), read);
        }
    }
}

/// Without it the resource says something else, or is refused for the lack of it.
#[test]
fn no_element_that_is_kept_can_be_left_out_unnoticed() {
    for release in RELEASES {
        for of in release.all() {
            for name in of.kept {
                let mut json = release.having(of, name);
                let whole = (release.read)(&json.to_string()).unwrap();
                let removed = member(&mut json, of.at).remove(*name);
                assert!(removed.is_some(), "{} {}.{name}", release.name, of.name);
                match (release.read)(&json.to_string()) {
                    Ok(read) => {
                        assert!(read != whole, "{}.{name} is not kept", of.name);
                        assert_eq!((release.write)(&read).unwrap(), json);
                    }
                    Err(error) => {
                        let emptied = member(&mut json, of.at).is_empty();
                        let named = if emptied {
                            String::new()
                        } else {
                            format!("/{name}")
                        };
                        let at = path_of(&format!("{}{named}", of.at));
                        // PCF's own needs are named without the place in the list, and `source[x]` as FHIR does.
                        let bare = |at: &str| at.replace("[0]", "").replace("[x]", "");
                        let at = at.replace("sourceAttachment", "source");
                        let at = bare(&at.replace("sourceReference", "source"));
                        assert!(bare(&error.at).starts_with(&at), "{at}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn each_element_that_is_not_kept_is_refused_by_its_own_path() {
    for release in RELEASES {
        for of in release.all() {
            for (name, value) in of.refused {
                let mut json = (release.full)();
                let value = serde_json::from_str(value).unwrap();
                member(&mut json, of.at).insert((*name).into(), value);
                let error = (release.read)(&json.to_string()).expect_err(name);
                assert_eq!(error.at, path_of(&format!("{}/{name}", of.at)), "{error}");
            }
        }
    }
}

/// The objects of a resource, and its texts.
fn places(json: &Json, at: &str, objects: &mut Vec<String>, leaves: &mut Vec<String>) {
    match json {
        Json::Object(members) => {
            objects.push(at.to_owned());
            for (name, value) in members {
                places(value, &format!("{at}/{name}"), objects, leaves);
            }
        }
        Json::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), objects, leaves);
            }
        }
        _ => leaves.push(at.to_owned()),
    }
}

/// What FHIR lets stand in every element, and what it does not define, wherever that is.
#[test]
fn what_may_stand_anywhere_is_refused_everywhere() {
    let extension = json!({ "url": "https://a.example/more", "valueString": "x" });
    for release in RELEASES {
        let (mut objects, mut leaves) = (Vec::new(), Vec::new());
        places(&(release.full)(), "", &mut objects, &mut leaves);
        assert!(objects.len() > 40 && leaves.len() > 80);
        let refused = |at: &str, name: &str, value: Json, expected: &str| {
            let mut json = (release.full)();
            let members = member(&mut json, at);
            match members.get_mut(name) {
                Some(Json::Array(there)) => there.extend(value.as_array().unwrap().clone()),
                _ => drop(members.insert(name.into(), value)),
            }
            let error = (release.read)(&json.to_string()).expect_err(at);
            assert!(error.at.starts_with(expected), "{expected}: {error}");
        };
        for at in &objects {
            let path = path_of(at);
            refused(
                at,
                "extension",
                json!([extension]),
                &format!("{path}.extension"),
            );
            refused(
                at,
                "modifierExtension",
                json!([extension]),
                &format!("{path}.modifierExtension"),
            );
            refused(at, "notOfFhir", json!("x"), &path);
            if !at.is_empty() {
                refused(at, "id", json!("x"), &format!("{path}.id"));
            }
        }
        for leaf in leaves {
            let (at, name) = leaf.rsplit_once('/').unwrap();
            // An element of a list of texts has its extensions in a list beside it.
            let (at, name) = match name.parse::<usize>() {
                Ok(_) => at.rsplit_once('/').unwrap(),
                Err(_) => (at, name),
            };
            let more = json!({ "extension": [extension] });
            refused(at, &format!("_{name}"), more, &path_of(at));
        }
    }
}

/// The elements that the table names for a release, and whether they are kept.
fn documented(release: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let docs = include_str!("../../../../docs/consent.md");
    let (_, section) = docs.split_once("## Element by element").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (r4, r5) = section.split_once("| element of R5 |").unwrap();
    let table = if release == "r4" { r4 } else { r5 };
    let (mut kept, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let outcome = columns.last().unwrap().trim();
        let names = columns.first().unwrap().split('`').skip(1).step_by(2);
        match outcome.split([' ', ':', ';', ',', '.']).next() {
            Some("kept" | "carried") => kept.extend(names.map(str::to_owned)),
            Some("refused") => refused.extend(names.map(str::to_owned)),
            _ => panic!("{row}"),
        }
    }
    (kept, refused)
}

fn named<'a>(of: &Type, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(|name| format!("{}.{name}", of.name)).collect()
}

#[test]
fn the_documented_table_is_what_is_done() {
    for release in RELEASES {
        // Data types are the same in both; they stand in the first table.
        let types = || {
            let both = release.name == "r4";
            let data_types = DATA_TYPES.iter().filter(move |_| both);
            release.types.iter().chain(data_types)
        };
        let kept: BTreeSet<String> = types()
            .flat_map(|of| named(of, of.kept.iter().copied()))
            .collect();
        let refused: BTreeSet<String> = types()
            .flat_map(|of| named(of, of.refused.iter().map(|(name, _)| *name)))
            .collect();
        assert_eq!(
            documented(release.name),
            (kept, refused),
            "{}",
            release.name
        );
    }
}

/// No element that FHIR defines is missing from the table.
#[test]
fn the_table_has_every_element_of_the_models_of_others() {
    // In every element, and in the test of what may stand anywhere.
    const ANYWHERE: [&str; 3] = ["extension", "modifierExtension", "id"];
    for release in RELEASES {
        let Some(elements) = elements_of_others(release.name) else {
            return;
        };
        let known: BTreeSet<String> = release
            .all()
            .flat_map(|of| {
                let refused = of.refused.iter().map(|(name, _)| *name);
                named(of, of.kept.iter().copied().chain(refused))
            })
            .collect();
        assert!(elements.len() > 60, "{elements:?}");
        for element in elements {
            let (_, name) = element.rsplit_once('.').unwrap();
            let known = known.contains(&element) || ANYWHERE.contains(&name);
            assert!(known, "{} {element}", release.name);
        }
    }
}
