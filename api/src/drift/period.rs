//! Days and weeks of UTC.

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Day,
    /// From Monday on.
    Week,
}

impl Period {
    /// The first day of the period of a time (milliseconds since 1970), in days since 1970.
    pub(crate) const fn first_day(self, at: i64) -> i64 {
        let day = at.div_euclid(DAY);
        match self {
            Self::Day => day,
            // 1970 began on a Thursday.
            Self::Week => day - (day + 3).rem_euclid(7),
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// A day since 1970 as a date: Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date
/// Algorithms").
pub(crate) fn date(day: i64) -> String {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates_and_weeks_begin_on_monday() {
        for (day, shown) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (20_787, "2026-11-30"),
            (20_788, "2026-12-01"),
        ] {
            assert_eq!(date(day), shown);
        }
        assert_eq!(Period::Week.first_day(20_787 * DAY), 20_787, "a Monday");
        assert_eq!(Period::Week.first_day(20_793 * DAY + 1), 20_787, "its Sunday");
        assert_eq!((Period::Day.first_day(DAY - 1), Period::Day.first_day(-1)), (0, -1));
    }
}
