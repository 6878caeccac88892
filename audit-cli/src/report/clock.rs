//! Times as people read them, at an offset from UTC that the reader chose.

use medanchor_ledger::Time;
use std::fmt;
use std::str::FromStr;
use time::{Date, Month, OffsetDateTime, UtcOffset};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// An offset from UTC in whole minutes, at most 18 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    minutes: i64,
}

impl Clock {
    pub(crate) const UTC: Self = Self { minutes: 0 };
    /// The one clock of China.
    pub(crate) const BEIJING: Self = Self { minutes: 8 * 60 };

    /// Milliseconds since 1970-01-01 00:00 on this clock.
    pub(crate) fn local_millis(self, time: Time) -> i64 {
        let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
        millis.saturating_add(self.minutes * MINUTE)
    }

    /// `2026-03-31 14:05:09`
    pub(crate) fn second(self, time: Time) -> String {
        full(self.local_millis(time))
    }
}

/// `2026-03-31 14:05:09`, for milliseconds on a local clock.
pub(crate) fn full(local_millis: i64) -> String {
    let at = civil(local_millis);
    let (date, hour, minute, second) = (day_of(at), at.hour(), at.minute(), at.second());
    format!("{date} {hour:02}:{minute:02}:{second:02}")
}

/// The beginning of a cell of time on a local clock, as short as the cell's width in milliseconds
/// allows: `2026-03-31`, `03-31 14:05` or `14:05:09`.
pub(crate) fn short(local_millis: i64, width: i64) -> String {
    let at = civil(local_millis);
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    match width {
        DAY.. => day_of(at),
        MINUTE.. => {
            let (month, day) = (u8::from(at.month()), at.day());
            format!("{month:02}-{day:02} {hour:02}:{minute:02}")
        }
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

fn day_of(at: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        at.year(),
        u8::from(at.month()),
        at.day()
    )
}

/// The date and time of day; times that no calendar of ours reaches are shown as its ends.
fn civil(local_millis: i64) -> OffsetDateTime {
    let nanos = i128::from(local_millis) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or_else(|_| {
        let date = if local_millis < 0 {
            Date::MIN
        } else {
            Date::MAX
        };
        date.midnight().assume_offset(UtcOffset::UTC)
    })
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.minutes < 0 { '-' } else { '+' }, self.minutes.abs());
        write!(f, "UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl FromStr for Clock {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong = || "it is no offset from UTC; write it as +08:00 or -05:30";
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => return Err(wrong()),
        };
        let (hours, minutes) = rest.split_once(':').ok_or_else(wrong)?;
        let (hours, minutes) = (
            digits(hours).ok_or_else(wrong)?,
            digits(minutes).ok_or_else(wrong)?,
        );
        match hours * 60 + minutes {
            total @ 0..=1080 if minutes < 60 => Ok(Self {
                minutes: sign * total,
            }),
            _ => Err(wrong()),
        }
    }
}

/// Two digits.
fn digits(text: &str) -> Option<i64> {
    let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    two.then(|| text.parse().ok()).flatten()
}

/// A day of the calendar, as the user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(Date);

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong = || "it is no day; write it as 2026-03-31";
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else {
            return Err(wrong());
        };
        if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let (month, day) = (
            digits(month).ok_or_else(wrong)?,
            digits(day).ok_or_else(wrong)?,
        );
        let date = || {
            let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
            Date::from_calendar_date(year.parse().ok()?, month, u8::try_from(day).ok()?).ok()
        };
        date().map(Self).ok_or_else(wrong)
    }
}

/// The days that a report is about, on one clock; either end may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) clock: Clock,
    pub(crate) from: Option<Day>,
    /// The last day.
    pub(crate) to: Option<Day>,
}

impl Period {
    /// Whether a time is on one of the days.
    pub(crate) fn contains(&self, time: Time) -> bool {
        self.clip(time) == time && self.end() != Some(time)
    }

    /// The time of the period that is nearest to a time, its end included.
    pub(crate) fn clip(&self, time: Time) -> Time {
        let time = self
            .from
            .map_or(time, |from| time.max(self.starts(from, 0)));
        self.end().map_or(time, |end| time.min(end))
    }

    fn end(&self) -> Option<Time> {
        self.to.map(|to| self.starts(to, DAY))
    }

    /// When a day begins on this clock, and so many milliseconds later.
    fn starts(&self, day: Day, later: i64) -> Time {
        let local = day.0.midnight().assume_utc().unix_timestamp() * 1000 + later;
        Time(u64::try_from(local - self.clock.minutes * MINUTE).unwrap_or(0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&day_of(self.0.midnight().assume_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_on_the_clock_that_was_chosen() {
        let time = Time(1_774_908_309_250);
        assert_eq!(Clock::UTC.second(time), "2026-03-30 22:05:09");
        assert_eq!(Clock::BEIJING.second(time), "2026-03-31 06:05:09");
        let west: Clock = "-05:30".parse().expect("an offset");
        assert_eq!(west.second(time), "2026-03-30 16:35:09");
        assert_eq!(west.to_string(), "UTC-05:30");
        let local = Clock::BEIJING.local_millis(time);
        let shown = [1_000, MINUTE, DAY].map(|width| short(local, width));
        assert_eq!(shown, ["06:05:09", "03-31 06:05", "2026-03-31"]);
    }

    #[test]
    fn a_time_beyond_every_calendar_is_shown_all_the_same() {
        assert!(Clock::UTC.second(Time(u64::MAX)).starts_with("9999"));
    }

    #[test]
    fn other_offsets_and_days_are_refused() {
        for text in ["", "8", "+8:00", "+08", "+08:60", "+19:00", "UTC", "+0a:00"] {
            assert!(text.parse::<Clock>().is_err(), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2026-13-01",
            "26-01-01",
            "2026-1-1",
            "+026-01-01",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_holds_its_days_whole() {
        let day = |text: &str| Some(text.parse().expect("a day"));
        let (from, to) = (day("2026-03-31"), day("2026-03-31"));
        let clock = Clock::BEIJING;
        let period = Period { clock, from, to };
        let midnight = 1_774_886_400_000;
        let inside = [midnight, midnight + 86_399_999].map(|at| period.contains(Time(at)));
        let outside = [midnight - 1, midnight + 86_400_000].map(|at| period.contains(Time(at)));
        assert_eq!((inside, outside), ([true; 2], [false; 2]));
        let clipped = [0, midnight + 5, u64::MAX].map(|at| period.clip(Time(at)).0 - midnight);
        assert_eq!(clipped, [0, 5, 86_400_000]);
    }
}
