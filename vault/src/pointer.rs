//! Where a value stands in a JSON document: the list of member names and array places that lead to it.
//!
//! What always holds: a member name and an array place never compare equal, so `{"a":{"0":1}}` and
//! `{"a":[1]}` have different pointers although RFC 6901 prints both as `/a/0`.

use std::fmt;
use std::sync::Arc;

/// One step of a [`Pointer`]. Places sort before names; names sort by their UTF-8 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// A place in an array, from 0.
    Place(u32),
    /// The name of an object's member, as decoded text.
    Name(Arc<str>),
}

/// The way from the root of a document to one value; the empty pointer is the root.
///
/// Pointers sort token by token, which is the order of the leaves of a commitment.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(Vec<Token>);

const PLACE: u8 = 1;
const NAME: u8 = 2;

impl Pointer {
    /// The longest encoding of a pointer, in bytes. A longer one is refused when a document is read,
    /// so that a few long names cannot make a small document expensive to commit to.
    pub const MAX_ENCODED: usize = 1024;

    /// A pointer made of these steps.
    #[must_use]
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.0
    }

    /// Whether this pointer is `ancestor` or lies below it.
    #[must_use]
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        self.0.starts_with(&ancestor.0)
    }

    /// Whether `text`, an RFC 6901 pointer, names this value or one that holds it.
    ///
    /// ```
    /// # use medanchor_vault::Document;
    /// let document = Document::parse(br#"{"dose":[{"mg":"1.50"}]}"#)?;
    /// let dose = &document.leaves()[0].pointer;
    /// assert_eq!(dose.to_string(), "/dose/0/mg");
    /// assert!(dose.matches("/dose/0") && dose.matches("") && !dose.matches("/do"));
    /// # Ok::<(), medanchor_vault::JsonError>(())
    /// ```
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let own = self.to_string();
        own.strip_prefix(text)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The bytes that a commitment hashes: for each step a kind byte, then a place as 32 bits or a
    /// name as its 32-bit length and its UTF-8 bytes, all big-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        for token in &self.0 {
            match token {
                Token::Place(place) => {
                    bytes.push(PLACE);
                    bytes.extend_from_slice(&place.to_be_bytes());
                }
                Token::Name(name) => {
                    bytes.push(NAME);
                    // A name longer than 4 GiB cannot have been read: documents are bounded.
                    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
                    bytes.extend_from_slice(&length.to_be_bytes());
                    bytes.extend_from_slice(name.as_bytes());
                }
            }
        }
        bytes
    }

    /// How many bytes [`Pointer::encode`] gives.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.0.iter().map(Token::encoded_len).sum()
    }

    /// Reads what [`Pointer::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > Self::MAX_ENCODED {
            return None;
        }
        let mut rest = bytes;
        let mut tokens = Vec::new();
        while let Some((kind, after)) = rest.split_first() {
            let (number, after) = after.split_first_chunk::<4>()?;
            let number = u32::from_be_bytes(*number);
            rest = match *kind {
                PLACE => {
                    tokens.push(Token::Place(number));
                    after
                }
                NAME => {
                    let (name, after) = after.split_at_checked(usize::try_from(number).ok()?)?;
                    tokens.push(Token::Name(std::str::from_utf8(name).ok()?.into()));
                    after
                }
                _ => return None,
            };
        }
        Some(Self(tokens))
    }
}

impl Token {
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Place(_) => 5,
            Self::Name(name) => 5 + name.len(),
        }
    }
}

/// RFC 6901 text, with `~0` for a tilde and `~1` for a slash.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| match token {
            Token::Place(place) => write!(f, "/{place}"),
            Token::Name(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pointer_of(steps: &[Result<u32, String>]) -> Pointer {
        let token = |step: &Result<u32, String>| match step {
            Ok(place) => Token::Place(*place),
            Err(name) => Token::Name(name.as_str().into()),
        };
        Pointer::new(steps.iter().map(token).collect())
    }

    proptest! {
        #[test]
        fn an_encoded_pointer_reads_back(steps in prop::collection::vec(prop::result::maybe_err(any::<u32>(), ".{0,8}"), 0..8)) {
            let pointer = pointer_of(&steps);
            prop_assert_eq!(pointer.encode().len(), pointer.encoded_len());
            prop_assert!(Pointer::decode(&pointer.encode()) == Some(pointer));
        }

        #[test]
        fn what_decodes_is_the_only_encoding(bytes in prop::collection::vec(0u8..4, 0..40)) {
            if let Some(pointer) = Pointer::decode(&bytes) {
                prop_assert_eq!(pointer.encode(), bytes);
            }
        }
    }

    #[test]
    fn names_with_slash_and_tilde_are_escaped() {
        let pointer = Pointer::new(vec![Token::Name("a/b~c".into()), Token::Place(2)]);
        assert_eq!(pointer.to_string(), "/a~1b~0c/2");
        assert!(pointer.matches("/a~1b~0c"));
        assert!(!pointer.matches("/a"));
    }
}
