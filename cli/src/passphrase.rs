//! Secrets that a person types or keeps in a file: never an argument, never shown.

use crate::error::CliError;
use crate::home::read_secret;
use anyhow::Result;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Characters that a new passphrase has at least.
const CHARACTERS_MIN: usize = 8;

/// A passphrase. It wipes itself, and has no `Debug`.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// How a sealed key is opened.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Unlock {
    /// A file whose first line is the passphrase; without one it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Unlock {
    /// By a file.
    #[must_use]
    pub const fn by_file(file: PathBuf) -> Self {
        Self { passphrase_file: Some(file) }
    }

    /// The passphrase of the key in `path`.
    ///
    /// # Errors
    /// `SecretExposed`, `FileUnreadable`, `PassphraseMissing`.
    pub fn passphrase(&self, path: &Path) -> Result<Passphrase> {
        match &self.passphrase_file {
            Some(file) => Ok(Passphrase(first_line(&Zeroizing::new(read_secret(file)?)))),
            None => Ok(Passphrase(asked(&format!("Passphrase of {}: ", path.display()))?)),
        }
    }

    /// A passphrase for a new key, asked for twice.
    ///
    /// # Errors
    /// `PassphraseShort`, `PassphrasesDiffer`, and those of [`Unlock::passphrase`].
    pub fn new_passphrase(&self, of: &str) -> Result<Passphrase> {
        let one = match &self.passphrase_file {
            Some(_) => self.passphrase(Path::new(of))?.0,
            None => {
                let one = asked(&format!("New passphrase of {of}: "))?;
                confirmed(&one, &asked("The same again: ")?)?;
                one
            }
        };
        checked(one)
    }
}

fn confirmed(one: &str, other: &str) -> Result<(), CliError> {
    if one == other { Ok(()) } else { Err(CliError::PassphrasesDiffer) }
}

fn checked(passphrase: Zeroizing<String>) -> Result<Passphrase> {
    if passphrase.chars().count() < CHARACTERS_MIN {
        return Err(CliError::PassphraseShort.into());
    }
    Ok(Passphrase(passphrase))
}

/// A token: from a file, or from standard input for `-`.
///
/// # Errors
/// `TokenNotGiven`, `SecretExposed`, `FileUnreadable`.
pub fn token(file: &Path) -> Result<String> {
    let token = match file.to_str() {
        Some("-") if std::io::stdin().is_terminal() => asked("Token: ")?,
        Some("-") => line_of_stdin()?,
        _ => first_line(&Zeroizing::new(read_secret(file)?)),
    };
    if token.is_empty() { Err(CliError::TokenNotGiven.into()) } else { Ok(token.to_string()) }
}

/// The first line of some bytes, without what ends it.
fn first_line(bytes: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    Zeroizing::new(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Asks a person, without showing what he types.
fn asked(prompt: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::PassphraseMissing.into());
    }
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    let quiet = Quiet::begin()?;
    let line = line_of_stdin();
    drop(quiet);
    eprintln!();
    line
}

fn line_of_stdin() -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(first_line(line.as_bytes()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing better is possible if the terminal is gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::write_new_secret;

    #[test]
    fn a_short_or_differing_passphrase_and_an_empty_token_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        write_new_secret(&file, b"seven77\n").unwrap();
        let short = Unlock::by_file(file).new_passphrase("root").err().unwrap();
        assert!(matches!(short.downcast().unwrap(), CliError::PassphraseShort));
        assert!(matches!(confirmed("one", "two"), Err(CliError::PassphrasesDiffer)));
        let empty = folder.path().join("empty");
        write_new_secret(&empty, b"\n").unwrap();
        let none = token(&empty).err().unwrap();
        assert!(matches!(none.downcast().unwrap(), CliError::TokenNotGiven));
    }
}
