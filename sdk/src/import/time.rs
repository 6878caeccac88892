//! FHIR and EPCIS times as milliseconds since 1970.
//!
//! What always holds: `start` gives the first and `end` the last millisecond that a text can mean,
//! so a day given without a time is the whole day. A time without an offset is read as UTC: FHIR
//! demands the offset, and a day alone has none to give.

use medanchor_ledger::Time;

const DAY: i64 = 86_400_000;

/// The first millisecond that a FHIR date, dateTime or instant, or an EPCIS time, can mean.
pub(crate) fn start(text: &str) -> Option<Time> {
    let (first, _) = range(text)?;
    u64::try_from(first).ok().map(Time)
}

/// The last millisecond that the text can mean: 2026-01 ends with its 31st day.
pub(crate) fn end(text: &str) -> Option<Time> {
    let (_, after) = range(text)?;
    u64::try_from(after.checked_sub(1)?).ok().map(Time)
}

/// A moment as a FHIR instant in UTC: `2026-02-20T01:00:00.000Z`. Beyond the year 9999, which FHIR
/// cannot write, its last millisecond.
#[must_use]
pub fn instant(time: Time) -> String {
    const LAST: i64 = 253_402_300_799_999;
    let millis = i64::try_from(time.0).unwrap_or(LAST).min(LAST);
    let (year, month, day) = date_of(millis / DAY);
    let clock = millis % DAY;
    let (hours, minutes) = (clock / 3_600_000, clock / 60_000 % 60);
    let (seconds, millis) = (clock / 1_000 % 60, clock % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

/// Year, month and day of a day since 1970-01-01 that is not before it: the inverse of `days`.
fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468; // from 0000-03-01
    let (cycle, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

/// The same moment of the same day of the next year, by clocks that are so many minutes ahead of UTC; of the 29th of
/// February, that of the 1st of March.
pub(crate) fn a_year_after(time: Time, utc_offset: i16) -> Time {
    let ahead = i64::from(utc_offset) * 60_000;
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    let there = millis.saturating_add(ahead).max(0);
    let (year, month, day) = date_of(there / DAY);
    let next = days(year + 1, month, day).or_else(|| days(year + 1, 3, 1));
    let next = next.and_then(|next| next.checked_mul(DAY)?.checked_add(there % DAY - ahead));
    let next = next.and_then(|next| u64::try_from(next).ok());
    Time(next.unwrap_or(u64::MAX))
}

/// First millisecond and the one after the last, both since 1970; negative before it.
pub(crate) fn range(text: &str) -> Option<(i64, i64)> {
    let Some((date, time)) = text.split_once(['T', 't']) else {
        return date_range(text);
    };
    let (year, month, day) = match date_parts(date)? {
        (year, Some(month), Some(day)) => (year, month, day),
        _ => return None,
    };
    let (clock, offset) = split_offset(time)?;
    let (millis, width) = clock_millis(clock)?;
    let first = days(year, month, day)? * DAY + millis - offset;
    Some((first, first + width))
}

fn date_range(text: &str) -> Option<(i64, i64)> {
    let (first, after) = match date_parts(text)? {
        (year, None, _) => (days(year, 1, 1)?, days(year + 1, 1, 1)?),
        (year, Some(12), None) => (days(year, 12, 1)?, days(year + 1, 1, 1)?),
        (year, Some(month), None) => (days(year, month, 1)?, days(year, month + 1, 1)?),
        (year, Some(month), Some(day)) => {
            let first = days(year, month, day)?;
            (first, first + 1)
        }
    };
    Some((first * DAY, after * DAY))
}

/// Year, month and day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
fn date_parts(text: &str) -> Option<(i64, Option<i64>, Option<i64>)> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts
        .next()
        .map(|part| digits(part, 2).ok_or(()))
        .transpose()
        .ok()?;
    let day = parts
        .next()
        .map(|part| digits(part, 2).ok_or(()))
        .transpose()
        .ok()?;
    parts.next().is_none().then_some((year, month, day))
}

/// Days since 1970-01-01 in the Gregorian calendar, for a day that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Count years from March, so that the leap day is the last day of its year.
    let (from_march, year) = if month > 2 {
        (month - 3, year)
    } else {
        (month + 9, year - 1)
    };
    let whole_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(whole_years + (153 * from_march + 2) / 5 + day - 1 - 719_468)
}

/// The clock's text and its offset from UTC in milliseconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, offset) = (text.get(..at)?, text.get(at..)?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let millis = (hours * 60 + minutes) * 60_000;
    Some((
        clock,
        if offset.starts_with('-') {
            -millis
        } else {
            millis
        },
    ))
}

/// Milliseconds into the day of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fff…`, and how long it lasts.
fn clock_millis(text: &str) -> Option<(i64, i64)> {
    let mut parts = text.split(':');
    let (hours, minutes) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let seconds = parts.next();
    if hours > 23 || minutes > 59 || parts.next().is_some() {
        return None;
    }
    let minute = (hours * 60 + minutes) * 60_000;
    let Some(seconds) = seconds else {
        return Some((minute, 60_000));
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole = digits(whole, 2).filter(|&whole| whole <= 60)?.min(59);
    if fraction.is_empty() || fraction.len() > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let width = if seconds.contains('.') { 1 } else { 1_000 };
    Some((minute + whole * 1_000 + digits(&millis, 3)?, width))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_their_offset() {
        assert_eq!(start("1970-01-01T00:00:00Z"), Some(Time(0)));
        assert_eq!(start("2015-01-15T16:20:00Z"), Some(Time(1_421_338_800_000)));
        assert_eq!(
            start("2015-01-15T21:20:00+05:00"),
            Some(Time(1_421_338_800_000))
        );
        assert_eq!(
            start("2015-01-15T10:20:00.000-06:00"),
            Some(Time(1_421_338_800_000))
        );
        assert_eq!(
            start("2022-02-15T01:33:31.116000-06:00"),
            Some(Time(1_644_910_411_116))
        );
    }

    #[test]
    fn a_year_ends_on_its_day_and_a_leap_years_day_on_the_next_one() {
        for (offset, from, to) in [
            (0, "2026-03-01T00:00:00Z", "2027-03-01T00:00:00Z"),
            (0, "2027-03-01T12:30:00.250Z", "2028-03-01T12:30:00.250Z"),
            (0, "2027-12-31T23:59:59.999Z", "2028-12-31T23:59:59.999Z"),
            (0, "2028-02-29T08:00:00Z", "2029-03-01T08:00:00Z"),
            // The day is another one there than in UTC.
            (
                480,
                "2027-03-01T00:00:00+08:00",
                "2028-03-01T00:00:00+08:00",
            ),
            (
                480,
                "2028-02-29T00:00:00+08:00",
                "2029-03-01T00:00:00+08:00",
            ),
            (
                480,
                "2028-03-01T00:00:00+08:00",
                "2029-03-01T00:00:00+08:00",
            ),
            (
                -300,
                "2027-02-28T23:00:00-05:00",
                "2028-02-28T23:00:00-05:00",
            ),
        ] {
            assert_eq!(
                Some(a_year_after(start(from).unwrap(), offset)),
                start(to),
                "{from}"
            );
        }
    }

    #[test]
    fn a_year_after_any_moment_is_a_moment() {
        for (time, offset) in [(0, i16::MIN), (u64::MAX, i16::MAX), (1 << 62, i16::MIN)] {
            assert!(a_year_after(Time(time), offset) >= Time(time).min(Time(1 << 62)));
        }
    }

    #[test]
    fn a_date_lasts_its_whole_day_month_or_year() {
        assert_eq!(start("2016-02-28"), Some(Time(1_456_617_600_000)));
        assert_eq!(end("2016-02-29"), Some(Time(1_456_790_399_999)));
        assert_eq!(end("2016-02"), end("2016-02-29"));
        assert_eq!(end("2016"), end("2016-12-31"));
        assert_eq!(end("1970-01-01T00:00:00Z"), Some(Time(999)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "T",
            "2015-13-01",
            "2015-02-29",
            "2015-1-1",
            "15/01/2015",
            "2015-01-15T",
            "today",
            "2015-01-15T25:00:00Z",
            "2015-01T10:00:00Z",
            "2015-01-15T10:00:00+25:00",
            "-001-01-01",
            "2015-01-15T10:00:00.Z",
            "2015-01-15T10:00:00:00Z",
            "1969-12-31",
        ] {
            assert_eq!(start(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "[0-9TZ:.+-]{0,32}|.{0,32}") {
            let _ = (start(&text), end(&text));
        }

        #[test]
        fn an_instant_is_read_as_the_moment_it_was_written_for(millis in 0u64..=253_402_300_799_999) {
            prop_assert_eq!(start(&instant(Time(millis))), Some(Time(millis)));
        }

        #[test]
        fn days_count_up_by_one(day in 0i64..100_000) {
            // Walk the calendar with an independent rule: each date's successor is one day later.
            let (y, m, d) = civil(day);
            prop_assert_eq!(days(y, m, d), Some(day));
        }
    }

    fn civil(mut day: i64) -> (i64, i64, i64) {
        let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let mut year = 1970;
        while day >= 365 + i64::from(leap(year)) {
            day -= 365 + i64::from(leap(year));
            year += 1;
        }
        let lengths = [
            31,
            28 + i64::from(leap(year)),
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        let mut month = 1;
        for length in lengths {
            if day < length {
                break;
            }
            day -= length;
            month += 1;
        }
        (year, month, day + 1)
    }
}
