//! `vectors/inspection/`: verifiable random outputs, populations and draws.

use crate::samples::{items, leaves, with_draw_input};
use crate::vectors::Vectors;
use crate::world::name;
use medanchor_ledger::draw::draw;
use medanchor_ledger::merkle::root_of_leaves;
use medanchor_ledger::signature::KeyError;
use medanchor_ledger::vrf::{VrfProof, VrfPublicKey, VrfSecretKey};
use medanchor_ledger::{DrawSeed, OutputHash};
use std::collections::BTreeMap;

/// One example of RFC 9381 appendix B.3.
struct Example {
    number: u32,
    secret: &'static str,
    public: &'static str,
    input: &'static str,
    proof: &'static str,
    output: &'static str,
}

const EXAMPLES: [Example; 3] = [
    Example {
        number: 16,
        secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        public: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        input: "",
        proof: "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        output: "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    },
    Example {
        number: 17,
        secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        public: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        input: "72",
        proof: "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        output: "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    },
    Example {
        number: 18,
        secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        public: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        input: "af82",
        proof: "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        output: "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    },
];

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

impl Example {
    fn secret(&self) -> VrfSecretKey {
        VrfSecretKey::from_seed(&bytes(self.secret).try_into().unwrap())
    }

    fn public(&self) -> VrfPublicKey {
        VrfPublicKey::new(bytes(self.public).try_into().unwrap()).unwrap()
    }

    /// Reads a proof and holds it against this example's key and input.
    fn check(&self, proof: &[u8]) -> Result<Vec<u8>, String> {
        let proof = VrfProof::try_from(proof).map_err(|error| error.to_string())?;
        let output = proof.verify(&self.public(), &bytes(self.input));
        let output = output.map_err(|error| error.to_string())?;
        Ok(output.as_bytes().to_vec())
    }
}

#[test]
fn outputs_and_draws_have_golden_bytes() {
    let mut vectors = Vectors::of("inspection");
    for example in &EXAMPLES {
        let mut golden = |what: &str, digits: &str| {
            vectors.golden(
                &format!("example-{}.{what}", example.number),
                &bytes(digits),
            );
        };
        golden("secret", example.secret);
        golden("public", example.public);
        golden("input", example.input);
        golden("proof", example.proof);
        golden("output", example.output);
        assert_eq!(example.secret().public_key(), example.public());
        let proof = example.secret().prove(&bytes(example.input)).unwrap();
        assert_eq!(proof.as_bytes()[..], bytes(example.proof));
        assert_eq!(example.check(proof.as_bytes()), Ok(bytes(example.output)));
    }
    rejected_proofs(&mut vectors);
    draws(&mut vectors);
    vectors.finish();
}

fn rejected_proofs(vectors: &mut Vectors) {
    let [other, example, _] = &EXAMPLES;
    let good = bytes(example.proof);
    let mut reject = |name: &str, proof: &[u8], why: &str| {
        vectors.rejected(name, proof, |bytes| example.check(bytes), why);
    };
    let with = |at: usize, part: &[u8]| {
        let mut proof = good.clone();
        proof[at..at + part.len()].copy_from_slice(part);
        proof
    };
    let wrong = "does not hold";
    reject("short", &good[..79], "give exactly 80");
    reject("long", &[&good[..], &[0]].concat(), "give exactly 80");
    reject("gamma-not-a-point", &with(0, &[2; 32]), wrong);
    let mut identity = [0xff; 32];
    (identity[0], identity[31]) = (0xee, 0x7f);
    reject("gamma-not-canonical", &with(0, &identity), wrong);
    reject(
        "gamma-of-another",
        &with(0, &bytes(other.proof)[..32]),
        wrong,
    );
    reject(
        "gamma-with-torsion",
        &with(0, &with_torsion(&good[..32])),
        wrong,
    );
    reject("challenge", &with(32, &[good[32] ^ 1]), wrong);
    reject("response", &with(48, &[good[48] ^ 1]), wrong);
    reject(
        "s-plus-group-order",
        &with(48, &plus_order(&good[48..])),
        wrong,
    );
    let proof = example.secret().prove(b"s").unwrap();
    reject("of-another-input", proof.as_bytes(), wrong);
    let proof = other.secret().prove(&bytes(example.input)).unwrap();
    reject("of-another-key", proof.as_bytes(), wrong);
}

/// The point (x, y) as (-x, -y), which is the sum with the point of order 2: y becomes p - y and the
/// sign of x changes.
fn with_torsion(point: &[u8]) -> Vec<u8> {
    let mut y = point.to_vec();
    y[31] &= 0x7f;
    let mut field = [0xff; 32];
    (field[0], field[31]) = (0xed, 0x7f);
    let mut borrow = false;
    let subtract = |(a, b): (&u8, &u8)| {
        let (first, under) = a.overflowing_sub(*b);
        let (second, again) = first.overflowing_sub(borrow.into());
        borrow = under || again;
        second
    };
    let mut sum: Vec<u8> = field.iter().zip(&y).map(subtract).collect();
    sum[31] |= (point[31] & 0x80) ^ 0x80;
    sum
}

/// s plus the group order, little-endian.
fn plus_order(s: &[u8]) -> Vec<u8> {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0u16;
    let add = |(a, b): (&u8, &u8)| {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        carry = sum >> 8;
        (sum & 0xff) as u8
    };
    s.iter().zip(&order).map(add).collect()
}

fn draws(vectors: &mut Vectors) {
    let all: Vec<u8> = items().iter().flat_map(|item| *item.as_bytes()).collect();
    vectors.golden("items", &all);
    vectors.golden("population-root", root_of_leaves(leaves()).as_bytes());
    let maker = name("maker");
    let input = with_draw_input(|input| input.of(&maker));
    vectors.golden("input-of-maker", &input);
    let outputs: BTreeMap<_, _> = ["maker", "north-hospital", "regulator"]
        .into_iter()
        .zip(5..)
        .map(|(who, byte)| (name(who), OutputHash::new([byte; 32])))
        .collect();
    let seed = with_draw_input(|input| input.seed(&outputs));
    vectors.golden("seed", seed.as_bytes());
    let mut golden = |file: &str, count, sample| {
        let places = draw(&seed, count, sample);
        let places: Vec<u8> = places.iter().flat_map(|at| at.to_be_bytes()).collect();
        vectors.golden(file, &places);
    };
    golden("draw-2-of-5", 5, 2);
    golden("draw-7-of-7", 7, 7);
    golden("draw-60-of-10000", 10_000, 60);
    golden("draw-1000-of-2-to-the-40", 1 << 40, 1000);
}

#[test]
fn a_key_that_lets_cheat_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VrfPublicKey::new(identity), Err(KeyError::SmallOrder));
    let good = bytes(EXAMPLES[0].public);
    let torsion = with_torsion(&good).try_into().unwrap();
    assert_eq!(VrfPublicKey::new(torsion), Err(KeyError::Torsion));
    assert_eq!(VrfPublicKey::new([2; 32]), Err(KeyError::NotAPoint));
}

#[test]
fn the_seed_depends_on_who_gave_which_output_and_on_the_whole_input() {
    let of = |pairs: &[(&str, u8)]| -> DrawSeed {
        let outputs = pairs
            .iter()
            .map(|(who, byte)| (name(who), OutputHash::new([*byte; 32])));
        let outputs = outputs.collect();
        with_draw_input(|input| input.seed(&outputs))
    };
    let seed = of(&[("maker", 1), ("regulator", 2)]);
    assert_eq!(
        seed,
        of(&[("regulator", 2), ("maker", 1)]),
        "in whatever order they came"
    );
    assert_ne!(seed, of(&[("maker", 2), ("regulator", 1)]));
    assert_ne!(seed, of(&[("maker", 1)]));
    let other = with_draw_input(|mut input| {
        input.sample = 3;
        input.seed(&BTreeMap::new())
    });
    assert_ne!(other, with_draw_input(|input| input.seed(&BTreeMap::new())));
    let (maker, regulator) = (name("maker"), name("regulator"));
    let input = |who| with_draw_input(|input| input.of(who));
    assert_ne!(
        input(&maker),
        input(&regulator),
        "nobody proves another's input"
    );
}
