use super::*;
use crate::context::System;
use crate::context::fixed::Fixed;
use proptest::prelude::*;

/// The least that a card may cost: tests make many.
const CHEAP: Cost = Cost {
    memory_kib: 8 << 10,
    passes: 1,
};
const NETWORK: NetworkId = NetworkId::new([7; 16]);

fn pin(text: &str) -> Pin {
    Pin::new(text).unwrap()
}

fn card() -> Card {
    Card::make(
        &TagKey::new([1; 32]),
        NETWORK,
        &pin("271828"),
        CHEAP,
        &Fixed::at(0),
    )
    .unwrap()
}

#[test]
fn a_card_opens_with_its_pin_and_with_no_other() {
    let read = Card::from_text(&card().to_text()).unwrap();
    assert_eq!(read.network(), NETWORK);
    assert_eq!(
        read.open(NETWORK, &pin("271828")).unwrap().expose(),
        &[1; 32]
    );
    for wrong in ["271829", "2718281", "828172"] {
        assert!(
            matches!(read.open(NETWORK, &pin(wrong)), Err(CardError::WrongPin)),
            "{wrong}"
        );
    }
    let elsewhere = NetworkId::new([8; 16]);
    assert!(matches!(
        read.open(elsewhere, &pin("271828")),
        Err(CardError::OtherNetwork { .. })
    ));
}

#[test]
fn the_default_cost_opens_too_and_every_card_is_another() {
    let make = || {
        Card::make(
            &TagKey::new([1; 32]),
            NETWORK,
            &pin("271828"),
            Cost::default(),
            &System,
        )
        .unwrap()
    };
    let (one, two) = (make(), make());
    assert_ne!(
        one.to_text().as_str(),
        two.to_text().as_str(),
        "the salt is random"
    );
    assert!(one.open(NETWORK, &pin("271828")).is_ok());
}

#[test]
fn a_pin_that_protects_nothing_is_refused() {
    for weak in [
        "",
        "12345",
        "123456",
        "987654",
        "000000",
        "1234567890123",
        "27182a",
        "２７１８２８",
        "27 182",
    ] {
        assert!(matches!(Pin::new(weak), Err(CardError::Pin)), "{weak}");
    }
    for good in ["271828", "112233", "123457", "890123"] {
        assert!(Pin::new(good).is_ok(), "{good}");
    }
}

#[test]
fn a_cost_out_of_bounds_is_neither_made_nor_paid() {
    for cost in [
        Cost {
            memory_kib: 8_191,
            passes: 1,
        },
        Cost {
            memory_kib: 262_145,
            passes: 1,
        },
        Cost {
            memory_kib: 8_192,
            passes: 0,
        },
        Cost {
            memory_kib: 8_192,
            passes: 11,
        },
    ] {
        let made = Card::make(
            &TagKey::new([1; 32]),
            NETWORK,
            &pin("271828"),
            cost,
            &Fixed::at(0),
        );
        assert!(matches!(made, Err(CardError::Cost)), "{cost:?}");
    }
}

/// The header is authenticated: a card cannot be made cheaper to guess, or another network's.
#[test]
fn a_card_whose_header_was_changed_does_not_open() {
    for (at, byte) in [
        (3, 0x24),
        (5, 2),
        (6, 8),
        (22, 0xff),
        (38, 0xff),
        (85, 0xff),
    ] {
        let mut bytes = card().bytes;
        bytes[at] = byte;
        let changed = Card::from_text(&armor::to_text(LABEL, bytes.as_slice())).unwrap();
        let opened = changed.open(changed.network(), &pin("271828"));
        assert!(matches!(opened, Err(CardError::WrongPin)), "byte {at}");
    }
}

#[test]
fn the_form_is_frozen_and_each_rejected_card_is_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/card");
    let golden = include_str!("../../../vectors/card/good.txt");
    assert_eq!(card().to_text().as_str(), golden.trim_end());
    let mut rejected = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("rejected-")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let refused = Card::from_text(&text);
            assert!(
                matches!(refused, Err(CardError::Handover(_))),
                "{}",
                path.display()
            );
            rejected += 1;
        }
    }
    assert_eq!(rejected, 11);
}

#[test]
fn the_page_has_the_code_and_its_text_and_loads_nothing() {
    let card = card();
    let (svg, page) = (card.to_svg().unwrap(), card.to_page().unwrap());
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
    assert!(page.contains(svg.as_str()) && page.contains(card.to_text().as_str()));
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for loads in ["http", "src=", "<script", "<link", "url("] {
        assert!(!outside.contains(loads), "{loads}");
    }
    assert!(!page.contains("271828"), "the PIN is never on it");
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in ".{0,64}|medanchor-card-v1:[A-Za-z0-9_-]{0,160}") {
        let _ = Card::from_text(&text);
    }

    #[test]
    fn a_slip_in_copying_is_no_wrong_pin(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]") {
        let text = card().to_text();
        let at = at.index(text.len());
        let mut slipped = text.as_str().to_owned();
        slipped.replace_range(at..=at, &with);
        let read = Card::from_text(&slipped);
        prop_assert!(read.is_err() || slipped == text.as_str());
    }
}
