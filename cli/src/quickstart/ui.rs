//! Steps with a spinner and their times.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::future::Future;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// The list of steps as it grows.
pub struct Steps {
    began: Instant,
    rows: Vec<(String, String)>,
}

impl Steps {
    /// No step yet.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), rows: Vec::new() }
    }

    /// Does one step; `what` is shown while it runs, and what it returns when it is done.
    ///
    /// # Errors
    /// The step's own.
    pub async fn step<T>(
        &mut self,
        what: &str,
        work: impl Future<Output = Result<(T, String)>>,
    ) -> Result<T> {
        let bar = ProgressBar::new_spinner();
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(80));
        let since = Instant::now();
        let outcome = work.await;
        bar.finish_and_clear();
        match outcome {
            Ok((value, said)) => {
                println!("  ✓ {:<58} {:>6.2} s", format!("{what}: {said}"), seconds(since));
                self.rows.push((what.to_owned(), said));
                Ok(value)
            }
            Err(error) => {
                println!("  ✗ {what:<58} {:>6.2} s", seconds(since));
                Err(error)
            }
        }
    }

    /// How long all took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What happened.
    #[must_use]
    pub fn rows(&self) -> &[(String, String)] {
        &self.rows
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
