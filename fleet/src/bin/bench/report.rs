//! Rows of figures, as a table or as JSON.

use anyhow::Result;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;

/// One figure.
#[derive(Serialize)]
pub struct Row {
    /// Its name, such as `check-in-cpu`.
    pub name: String,
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What is promised, if something is.
    pub promised: &'static str,
}

/// All figures of one run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, name: &str, what: impl Into<String>, value: f64, unit: &'static str) {
        self.promise(name, what, value, unit, "");
    }

    /// Adds a figure that is promised.
    pub fn promise(
        &mut self,
        name: &str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        promised: &'static str,
    ) {
        let (name, what) = (name.to_owned(), what.into());
        self.rows.push(Row { name, what, value, unit, promised });
    }

    /// Prints it.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(&self.rows)?);
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_header(["name", "what", "value", "promised"]);
        for row in &self.rows {
            let value = format!("{} {}", figure(row.value), row.unit);
            table.add_row([&row.name, &row.what, &value, &row.promised.to_owned()]);
        }
        println!("{table}");
        Ok(())
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middling if middling >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
