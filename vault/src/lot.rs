//! Lots and units: the maker's key for a lot, and the handles of its packs.
//!
//! What always holds: a handle says nothing to whoever lacks the lot key, and two codes, or one code
//! under two schemes, never share one; the maker can derive everything here again from its own root,
//! so nothing of a lot is lost with a process.
//!
//! ```text
//! lot key    = HMAC(derivation root, "medanchor/lot-key/v1"    || CBOR [scheme, product, lot number])
//! lot handle = HMAC(derivation root, "medanchor/lot-handle/v1" || CBOR [product, lot number])[..16]
//! salt       = HMAC(derivation root, "medanchor/lot-salt/v1"   || CBOR [scheme, product, lot number])
//! commitment = suite || SHA-256("medanchor/lot/v1" || salt || CBOR [scheme, product, lot number, lot key])
//! unit       = HMAC(lot key, "medanchor/unit/v1" || CBOR [scheme, full code])[..16]
//! ```

use crate::secret::{DerivationRoot, LotKey, handle_bytes, hmac_sha256};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::{Commitment, LotHandle, TreeHash, UnitHandle, sha256};

/// The family that a pack's code belongs to (DOMAIN.md B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CodeScheme {
    /// A GS1 key with serial number: GTIN or SSCC.
    Gs1,
    /// The Chinese 20-digit code: 7 digits name the pack, 13 number it.
    Chinese20,
    /// A code of the maker's own.
    Enterprise,
}

impl CodeScheme {
    /// The name that derivations hold; it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gs1 => "gs1",
            Self::Chinese20 => "cn20",
            Self::Enterprise => "enterprise",
        }
    }
}

/// One production lot of this institution.
pub struct Lot {
    scheme: CodeScheme,
    key: LotKey,
    handle: LotHandle,
    commitment: Commitment,
}

fn texts(texts: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(texts.len());
    texts.iter().for_each(|text| {
        writer.text(text);
    });
    writer.into_bytes()
}

impl Lot {
    /// Derives a lot's key, handle and commitment.
    #[must_use]
    pub fn derive(root: &DerivationRoot, scheme: CodeScheme, product: &str, number: &str) -> Self {
        let context = texts(&[scheme.as_str(), product, number]);
        let root = root.expose();
        let key = LotKey::new(hmac_sha256(root, &[b"medanchor/lot-key/v1", &context]));
        let salt = hmac_sha256(root, &[b"medanchor/lot-salt/v1", &context]);
        let mut opened = Writer::new();
        opened
            .array(4)
            .text(scheme.as_str())
            .text(product)
            .text(number)
            .bytes(key.expose());
        let opened = zeroize::Zeroizing::new(opened.into_bytes());
        let commitment = sha256(&[b"medanchor/lot/v1", &salt, &opened]);
        let handle = handle_bytes(
            root,
            &[b"medanchor/lot-handle/v1", &texts(&[product, number])],
        );
        Self {
            scheme,
            key,
            handle: LotHandle::new(handle),
            commitment: Commitment::new(TreeHash::new(commitment)),
        }
    }

    /// The lot on the ledger, among its maker's.
    #[must_use]
    pub const fn handle(&self) -> LotHandle {
        self.handle
    }

    /// What `lot.open` commits to.
    #[must_use]
    pub const fn commitment(&self) -> Commitment {
        self.commitment
    }

    /// The handle of the unit that bears this full code.
    #[must_use]
    pub fn unit(&self, code: &str) -> UnitHandle {
        let code = texts(&[self.scheme.as_str(), code]);
        UnitHandle::new(handle_bytes(
            self.key.expose(),
            &[b"medanchor/unit/v1", &code],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(root: u8, scheme: CodeScheme, product: &str, number: &str) -> Lot {
        Lot::derive(&DerivationRoot::new([root; 32]), scheme, product, number)
    }

    #[test]
    fn units_differ_by_maker_scheme_product_lot_and_code() {
        let lots = [
            lot(1, CodeScheme::Gs1, "p", "l"),
            lot(2, CodeScheme::Gs1, "p", "l"),
            lot(1, CodeScheme::Chinese20, "p", "l"),
            lot(1, CodeScheme::Gs1, "pl", ""),
            lot(1, CodeScheme::Gs1, "", "pl"),
        ];
        let mut units: Vec<_> = lots
            .iter()
            .flat_map(|lot| [lot.unit("1"), lot.unit("2")])
            .collect();
        units.sort_unstable();
        units.dedup();
        assert_eq!(units.len(), 2 * lots.len());
    }

    #[test]
    fn derivations_are_frozen() {
        let lot = lot(1, CodeScheme::Chinese20, "8123456", "A2501");
        assert_eq!(lot.handle().to_string(), "0a0a156eb5fcfcc0ef3bdc6d0ddb343c");
        assert_eq!(
            lot.commitment().to_string(),
            "014639cdd6415c6463bcab2c793430808bf21a95e4080b5c45097e0d6b318c077c"
        );
        assert_eq!(
            lot.unit("81234560000000000017").to_string(),
            "c8c666a976a374c85f5f5488e93663af"
        );
    }
}
