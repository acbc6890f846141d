//! What a soak has tried, kept in a file: one that was cut goes on where it was.
//!
//! A file is of one ROM, as its first line says; with another one it is refused, so that no table
//! counts what became of two.

use craton_trust::Digest;
use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{Error, Read as _, Result, Write as _};
use std::path::PathBuf;

/// Its file. Without one nothing is kept.
const JOURNAL: &str = "CRATON_SOAK_JOURNAL";

/// What became of what was tried: `Err` if it must not be.
pub type Verdict = std::result::Result<String, String>;

/// The part of the file that is of one chip: a line for each thing tried (a fault, a cut), with the
/// digest of what its outcome depends on, what it is, whether the outcome must not be, and what
/// became of it. Before them a line says of which ROM they are.
pub struct Journal {
    file: Option<File>,
    of: String,
    known: HashMap<String, Verdict>,
}

impl Journal {
    /// Of the boots with this digest, by a ROM with that one.
    pub fn of(boots: &Digest, rom: &Digest) -> Result<Self> {
        let path = std::env::var_os(JOURNAL).map(PathBuf::from);
        Self::open(path, boots, rom)
    }

    fn open(path: Option<PathBuf>, boots: &Digest, rom: &Digest) -> Result<Self> {
        let of = hex(&boots.0[..8]);
        let head = format!("rom {}", hex(&rom.0));
        let mut journal = Self { file: None, of, known: HashMap::new() };
        let Some(path) = path else { return Ok(journal) };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if text.is_empty() {
            text = format!("{head}\n");
            file.write_all(text.as_bytes())?;
        } else if text.lines().next() != Some(&head) {
            return Err(Error::other(format!("{JOURNAL} is of another ROM: take a new file")));
        }
        // What was cut has no line's end, and is no line.
        let (lines, cut) = text.rsplit_once('\n').unwrap_or(("", &text));
        if !cut.is_empty() {
            file.write_all(b"\n")?;
        }
        for line in lines.lines() {
            let [of, fault, verdict, what] = line.split('\t').collect::<Vec<_>>()[..] else {
                continue;
            };
            let verdict = match verdict {
                "good" => Ok(what.to_owned()),
                "bad" => Err(what.to_owned()),
                _ => continue,
            };
            if of == journal.of {
                journal.known.insert(fault.to_owned(), verdict);
            }
        }
        journal.file = Some(file);
        Ok(journal)
    }

    pub fn known(&self, tried: impl Debug) -> Option<&Verdict> {
        self.known.get(&format!("{tried:x?}"))
    }

    /// Keeps what became of these.
    pub fn keep<T: Debug>(&mut self, verdicts: &[(T, Verdict)]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let line = |(tried, verdict): &(T, Verdict)| {
            let (Ok(what) | Err(what)) = verdict;
            let verdict = if verdict.is_ok() { "good" } else { "bad" };
            format!("{}\t{tried:x?}\t{verdict}\t{what}\n", self.of)
        };
        // In one write: another test may write to the same file.
        file.write_all(verdicts.iter().map(line).collect::<String>().as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_soak_that_was_cut_goes_on_where_it_was() {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let rom = Digest([9; 32]);
    let open = |digest| Journal::open(Some(path.to_path_buf()), &digest, &rom).unwrap();
    let (this, other) = (Digest([7; 32]), Digest([8; 32]));
    let [first, second, third] = [1, 2, 3].map(Some);
    let (good, bad) = (Ok("refused".to_owned()), Err("started".to_owned()));
    open(this).keep(&[(first, good.clone()), (second, bad.clone())]).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"0707\tSome(3)\tgo").unwrap();
    open(this).keep(&[(third, good.clone())]).unwrap();
    let journal = open(this);
    let known = [first, second, third].map(|fault| journal.known(fault).cloned());
    assert_eq!(known, [Some(good.clone()), Some(bad), Some(good)]);
    assert!(open(other).known(first).is_none(), "of other boots");
    assert!(Journal::open(None, &this, &rom).unwrap().known(first).is_none());
}

#[test]
fn a_journal_of_another_rom_is_refused() {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let open = |rom| Journal::open(Some(path.to_path_buf()), &Digest([7; 32]), &Digest([rom; 32]));
    open(1).unwrap().keep(&[(Some(1), Ok("refused".to_owned()))]).unwrap();
    assert!(open(2).is_err_and(|why| why.to_string().contains("of another ROM")));
    assert!(open(1).unwrap().known(Some(1)).is_some(), "and nothing was written to it");
    std::fs::write(&path, "0707070707070707\tGone(1)\tgood\trefused\n").unwrap();
    assert!(open(1).is_err(), "of a ROM that it does not name");
}
