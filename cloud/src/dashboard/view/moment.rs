//! Points in time, as the service knows them.

use std::borrow::Borrow;

/// Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

const DAY_S: u64 = 86_400;
/// 9999-12-31: later times are shown as this, so that a page stays readable.
const LAST_S: u64 = 253_402_300_799;

impl Moment {
    /// `2026-11-23 00:12:05 UTC`.
    #[must_use]
    pub fn text(&self) -> String {
        let (day, time) = self.parts();
        format!("{day} {time} UTC")
    }

    /// RFC 3339, for the `datetime` of a `<time>`.
    #[must_use]
    pub fn iso(&self) -> String {
        let (day, time) = self.parts();
        format!("{day}T{time}Z")
    }

    /// How long before `now`, in its largest unit: `just now`, `4 min ago`, `3 d ago`.
    #[must_use]
    pub fn ago(&self, now: &Moment) -> String {
        match now.0.saturating_sub(self.0) {
            0..=4 => "just now".to_owned(),
            seconds => format!("{} ago", span(seconds)),
        }
    }

    fn parts(&self) -> (String, String) {
        let seconds = self.0.min(LAST_S);
        let (year, month, day) = civil(seconds / DAY_S);
        let time = seconds % DAY_S;
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}"))
    }
}

/// A length of time in its largest whole unit: `40 s`, `4 min`, `26 h`, `3 d`.
#[must_use]
pub fn span(seconds: impl Borrow<u64>) -> String {
    match *seconds.borrow() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / DAY_S),
    }
}

/// Days since 1970-01-01 as year, month, day of the Gregorian calendar.
///
/// Counted in 400-year eras that begin on 1 March, so that a leap day ends its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const ERA_DAYS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let first_day = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    let day_of_year = day_of_era - first_day;
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_gregorian_calendar() {
        let known = [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_780, "2026-11-23"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (day, text) in known {
            assert_eq!(Moment(day * DAY_S).iso(), format!("{text}T00:00:00Z"));
        }
        assert_eq!(Moment(u64::MAX).text(), "9999-12-31 23:59:59 UTC");
    }

    #[test]
    fn every_day_has_its_own_date_one_after_the_other() {
        let mut last = String::new();
        for day in 0..200_000 {
            let text = Moment(day * DAY_S).iso();
            assert!(text > last, "{last} {text}");
            last = text;
        }
    }

    #[test]
    fn a_time_after_now_is_shown_as_now() {
        assert_eq!(Moment(100).ago(&Moment(90)), "just now");
        assert_eq!(Moment(100).ago(&Moment(160)), "60 s ago");
        assert_eq!(Moment(0).ago(&Moment(7_200)), "2 h ago");
        assert_eq!(Moment(0).ago(&Moment(200_000)), "2 d ago");
    }
}
