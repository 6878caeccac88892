//! Data classes: what kind of health data a record is, and how sensitive, by GB/T 39725-2020: six
//! categories, each at five levels.
//!
//! What always holds: the ledger sees the handle of a class and never its words, and compares handles
//! for equality. So a consent "up to level n" lists the levels 1 to n ([`DataClass::up_to`]), and one
//! for level 4 never covers level 5.
//!
//! ```text
//! text   = category "/L" level, as in health-status/L3
//! handle = HMAC(consent key, "medanchor/class/v1" || text)[..16]
//! ```

use crate::secret::ConsentKey;
use medanchor_ledger::ClassHandle;
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident $count:literal: $($(#[$word_doc:meta])* $name:ident $word:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$word_doc])* $name,)*
        }

        impl $type {
            /// All of them, in the order of the standard.
            pub const ALL: [Self; $count] = [$(Self::$name),*];

            /// The word for it in class texts.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            fn of(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What health data is about.
    Category 6:
    /// 个人属性: who somebody is.
    PersonalAttributes "personal-attributes";
    /// 健康状况: how somebody is.
    HealthStatus "health-status";
    /// 医疗应用: what was found and done.
    MedicalApplication "medical-application";
    /// 医疗支付: what it cost, and who paid.
    MedicalPayment "medical-payment";
    /// 卫生资源: institutions and what they have.
    HealthResources "health-resources";
    /// 公共卫生: what concerns the public's health.
    PublicHealth "public-health";
}

words! {
    /// How sensitive health data is.
    Level 5:
    /// May be published.
    L1 "L1";
    /// For many, on request.
    L2 "L2";
    /// For some, within limits.
    L3 "L3";
    /// Identifies a person: for those who treat it.
    L4 "L4";
    /// Special diseases: for the clinicians who treat them.
    L5 "L5";
}

/// What kind of health data a record is, and how sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataClass {
    /// What it is about.
    pub category: Category,
    /// How sensitive it is.
    pub level: Level,
}

impl DataClass {
    /// The classes of a category up to a level, from the least sensitive on.
    pub fn up_to(category: Category, level: Level) -> impl Iterator<Item = Self> {
        let levels = Level::ALL.into_iter().filter(move |lower| *lower <= level);
        levels.map(move |level| Self { category, level })
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category.as_str(), self.level.as_str())
    }
}

/// A text that is no data class. The text itself is not repeated: it came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no data class; use a category and a level of GB/T 39725-2020, as in health-status/L3"
)]
pub struct UnknownClass;

impl FromStr for DataClass {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        let (category, level) = text.split_once('/').ok_or(UnknownClass)?;
        let category = Category::of(category).ok_or(UnknownClass)?;
        let level = Level::of(level).ok_or(UnknownClass)?;
        Ok(Self { category, level })
    }
}

impl ConsentKey {
    /// The handle of a data class.
    #[must_use]
    pub fn data_class(&self, class: DataClass) -> ClassHandle {
        self.class(&class.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;
    use crate::secret::TagKey;
    use std::collections::BTreeSet;

    fn every_class() -> impl Iterator<Item = DataClass> {
        let of = |category| DataClass::up_to(category, Level::L5);
        Category::ALL.into_iter().flat_map(of)
    }

    #[test]
    fn there_are_six_categories_at_five_levels_each_with_its_own_text_and_handle() {
        let subject = TagKey::new([1; 32]).at(&"north-hospital".parse().unwrap());
        let key = subject.consent_key(Epoch(220));
        let texts: BTreeSet<_> = every_class().map(|class| class.to_string()).collect();
        let handles: BTreeSet<_> = every_class().map(|class| key.data_class(class)).collect();
        assert_eq!((texts.len(), handles.len()), (30, 30));
        let other = subject.consent_key(Epoch(221));
        assert!(every_class().all(|class| !handles.contains(&other.data_class(class))));
    }

    #[test]
    fn up_to_a_level_covers_that_level_and_those_below_and_no_other_category() {
        for category in Category::ALL {
            for level in Level::ALL {
                let covered: Vec<_> = DataClass::up_to(category, level).collect();
                for class in every_class() {
                    let expected = class.category == category && class.level <= level;
                    assert_eq!(covered.contains(&class), expected, "{class}");
                }
            }
        }
    }

    #[test]
    fn texts_are_read_as_they_are_written_and_no_other() {
        for class in every_class() {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        let others = [
            "",
            "/",
            "health-status",
            "health-status/L0",
            "health-status/L6",
        ];
        let more = [
            "health-status/3",
            "Health-status/L3",
            "health-status/L3/L4",
            "/L3",
        ];
        for other in others.into_iter().chain(more) {
            assert_eq!(other.parse::<DataClass>(), Err(UnknownClass), "{other:?}");
        }
    }

    #[test]
    fn handles_are_frozen() {
        let key = TagKey::new([1; 32])
            .at(&"north-hospital".parse().unwrap())
            .consent_key(Epoch(220));
        let class: DataClass = "medical-application/L4".parse().unwrap();
        assert_eq!(key.data_class(class), key.class("medical-application/L4"));
        assert_eq!(
            key.data_class(class).to_string(),
            "69458474e296fe5ad3d997b99f01cdc3"
        );
    }
}
