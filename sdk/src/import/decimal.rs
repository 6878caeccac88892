//! Amounts in millionths, read exactly from a decimal's literal text: no floats on the way.
//!
//! What always holds: an [`Amount`] is above zero and equals the text it was read from, so 1.50 and
//! 15e-1 are the same amount and 0.0000001 is none.

use std::fmt;

/// An amount in millionths of the unit it is counted in; never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// A decimal that is not an [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Not a JSON number.
    #[error("it is not a JSON number")]
    NotANumber,
    /// Zero or less.
    #[error("it is not above zero")]
    NotPositive,
    /// More than six digits after the point.
    #[error("it has digits beyond the sixth after the point")]
    TooFine,
    /// More millionths than 64 bits hold.
    #[error("it is above 18 million million")]
    TooLarge,
}

impl Amount {
    /// One whole unit.
    pub const ONE: Self = Self(1_000_000);

    /// The number of millionths.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }

    /// This amount `times` over, if 64 bits hold it and it is above zero.
    #[must_use]
    pub fn times(self, times: u64) -> Option<Self> {
        self.0
            .checked_mul(times)
            .filter(|&product| product > 0)
            .map(Self)
    }

    /// Reads a JSON number's literal text: `30`, `1.50`, `5e-1`.
    pub fn from_decimal(text: &str) -> Result<Self, AmountError> {
        let (mantissa, exponent) = split_exponent(text)?;
        if mantissa.starts_with('-') {
            return Err(AmountError::NotPositive);
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountError::NotANumber);
        }
        let places = i64::try_from(fraction.len()).map_err(|_| AmountError::TooFine)?;
        scale(
            &[whole, fraction].concat(),
            exponent.saturating_sub(places).saturating_add(6),
        )
    }
}

/// The digits times ten to the `power`, without losing a digit.
fn scale(digits: &str, power: i64) -> Result<Amount, AmountError> {
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Err(AmountError::NotPositive);
    }
    let zeros = i64::try_from(significant.len() - trimmed.len()).unwrap_or(i64::MAX);
    let power = power.saturating_add(zeros);
    let power = u32::try_from(power).map_err(|_| {
        if power < 0 {
            AmountError::TooFine
        } else {
            AmountError::TooLarge
        }
    })?;
    let value: u64 = trimmed.parse().map_err(|_| AmountError::TooLarge)?;
    let factor = 10u64.checked_pow(power).ok_or(AmountError::TooLarge)?;
    value
        .checked_mul(factor)
        .map(Amount)
        .ok_or(AmountError::TooLarge)
}

/// Splits `12.5e-3` into `12.5` and -3; an exponent beyond 64 bits counts as the largest there is.
fn split_exponent(text: &str) -> Result<(&str, i64), AmountError> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Ok((text, 0));
    };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    let size: i64 = digits.parse().unwrap_or(i64::MAX);
    Ok((
        mantissa,
        if exponent.starts_with('-') {
            -size
        } else {
            size
        },
    ))
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        write!(
            f,
            "{whole}.{}",
            format!("{fraction:06}").trim_end_matches('0')
        )
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millionths(text: &str) -> Result<u64, AmountError> {
        Amount::from_decimal(text).map(Amount::millionths)
    }

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        assert_eq!(millionths("30"), Ok(30_000_000));
        assert_eq!(millionths("1.50"), Ok(1_500_000));
        assert_eq!(millionths("0.5"), Ok(500_000));
        assert_eq!(millionths("5e-1"), Ok(500_000));
        assert_eq!(millionths("1.5E+2"), Ok(150_000_000));
        assert_eq!(millionths("0.000001"), Ok(1));
        assert_eq!(millionths("100e-8"), Ok(1));
        assert_eq!(millionths("1.0000000000"), Ok(1_000_000));
        assert_eq!(
            millionths("0.1"),
            Ok(100_000),
            "a float would not hold this one"
        );
        assert_eq!(millionths("18446744073709.551615"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_amount_says_why() {
        assert_eq!(millionths("0"), Err(AmountError::NotPositive));
        assert_eq!(millionths("0.00e9"), Err(AmountError::NotPositive));
        assert_eq!(millionths("-3"), Err(AmountError::NotPositive));
        assert_eq!(millionths("0.0000001"), Err(AmountError::TooFine));
        assert_eq!(
            millionths("1e-99999999999999999999"),
            Err(AmountError::TooFine)
        );
        assert_eq!(
            millionths("18446744073709.551616"),
            Err(AmountError::TooLarge)
        );
        assert_eq!(
            millionths("1e99999999999999999999"),
            Err(AmountError::TooLarge)
        );
        for text in [
            "", ".", ".5", "1e", "1e+", "e1", "1.2.3", "0x1", "NaN", "1 ",
        ] {
            assert_eq!(millionths(text), Err(AmountError::NotANumber), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_amounts_read_back_the_same(value in 1u64..) {
            let amount = Amount(value);
            prop_assert_eq!(Amount::from_decimal(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn any_text_gives_an_answer(text in ".{0,40}") {
            let _ = Amount::from_decimal(&text);
        }
    }
}
