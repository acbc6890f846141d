//! How answers look: the API's own JSON, or a table for people.

use craton_api::operator::Base64;
use serde::Serialize;
use std::fmt::Display;

/// Hexadecimal digits of an id in a table.
const SHORT: usize = 8;

/// Where a verb's answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// As JSON, or for people.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows a list: `rows` are sorted here.
    pub fn list(&self, answer: &impl Serialize, header: &[&str], mut rows: Vec<Vec<String>>) {
        if self.json {
            return print_json(answer);
        }
        if rows.is_empty() {
            println!("none");
            return;
        }
        rows.sort();
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(header.iter().map(|word| word.to_uppercase()));
        for row in rows {
            table.add_row(row.iter().map(|cell| shown(cell)));
        }
        let text = table.to_string();
        text.lines().for_each(|line| println!("{}", line.trim()));
    }

    /// Shows one thing, a line to each field. Identifiers are whole here.
    pub fn one(&self, answer: &impl Serialize, fields: &[(&str, String)]) {
        if self.json {
            return print_json(answer);
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            println!("{name:<width$}  {}", shown(value));
        }
    }

    /// Says that something was done for which the API has no answer.
    pub fn done(&self, said: &str) {
        if !self.json {
            println!("{said}");
        }
    }

    /// Says what to type next.
    pub fn next(&self, what: &[&str]) {
        if self.json {
            return;
        }
        for (place, line) in what.iter().enumerate() {
            println!("{}{line}", if place == 0 { "\nnext  " } else { "      " });
        }
    }
}

fn print_json(answer: &impl Serialize) {
    // The API's types are strings, numbers and lists: they always serialise.
    println!("{}", serde_json::to_string_pretty(answer).unwrap_or_default());
}

/// Text of the service on a terminal: nothing in it moves a cursor.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// An identifier as a table has it.
#[must_use]
pub fn short(id: impl Display) -> String {
    id.to_string().chars().take(SHORT).collect()
}

/// The same, for one that may be absent.
#[must_use]
pub fn short_or_dash(id: Option<impl Display>) -> String {
    id.map_or_else(|| "-".to_owned(), short)
}

/// A value that may be absent.
#[must_use]
pub fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A word of the API, as its JSON has it.
#[must_use]
pub fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Hexadecimal digits of some bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many bytes a field has.
#[must_use]
pub fn bytes(field: &Base64) -> String {
    format!("{} bytes", field.0.len())
}

/// A moment, UTC, from seconds since 1970.
#[must_use]
pub fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date_of(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// A moment that may be absent.
#[must_use]
pub fn moment_or_dash(seconds: Option<u64>) -> String {
    or_dash(seconds.map(moment))
}

/// Days before the first of March of year 0, of 400 years, and from there to 1970.
const DAYS_OF_ERA: u64 = 146_097;
const DAYS_TO_1970: u64 = 719_468;

/// The date of a day since 1970, by the Gregorian calendar: years begin in March, so that the leap
/// day is the last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let shifted = days + DAYS_TO_1970;
    let (era, of_era) = (shifted / DAYS_OF_ERA, shifted % DAYS_OF_ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Seconds since 1970 at the beginning of a date like `2031-12-31`.
///
/// # Errors
/// For what is no date from 1970 to 9999.
pub fn date(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no date like 2031-12-31");
    let parts: Option<Vec<u64>> = text.split('-').map(|part| part.parse().ok()).collect();
    let Some([year @ 1970..=9999, month, day]) = parts.as_deref() else {
        return Err(wrong());
    };
    let about = (year - 1970) * 365 + (year - 1969) / 4;
    let near = about.saturating_sub(40)..about + 420;
    let found = near.into_iter().find(|days| date_of(*days) == (*year, *month, *day));
    found.map(|days| days * 86_400).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_dates_are_of_the_gregorian_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00Z");
        assert_eq!(moment(951_782_400 + 3661), "2000-02-29 01:01:01Z");
        assert_eq!(date("2031-01-01"), Ok(1_924_992_000));
        for days in (0..60_000).step_by(17) {
            let text = moment(days * 86_400);
            assert_eq!(date(&text[..10]), Ok(days * 86_400), "{text}");
        }
        for wrong in ["2031-02-29", "2031-13-01", "31-12-2031", "", "2031-1", "1969-12-31"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_title_of_a_crashed_program_moves_no_cursor() {
        assert_eq!(shown("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
