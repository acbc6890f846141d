//! What a soak has tried, kept in a file: one that was cut goes on where it was.

use super::lab::Fault;
use craton_trust::Digest;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Result, Write as _};
use std::path::PathBuf;

/// Its file. Without one nothing is kept.
const JOURNAL: &str = "CRATON_SOAK_JOURNAL";

/// What became of a boot: `Err` if it must not be.
pub type Verdict = std::result::Result<String, String>;

/// The part of the file that is of one chip: a line for each fault, with the digest of what the
/// boots depend on, the fault, whether it must not be, and what became of it.
pub struct Journal {
    file: Option<File>,
    of: String,
    known: HashMap<String, Verdict>,
}

impl Journal {
    pub fn of(digest: &Digest) -> Result<Self> {
        let path = std::env::var_os(JOURNAL).map(PathBuf::from);
        Self::open(path, digest)
    }

    fn open(path: Option<PathBuf>, digest: &Digest) -> Result<Self> {
        let of = digest.0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut journal = Self { file: None, of, known: HashMap::new() };
        let Some(path) = path else { return Ok(journal) };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
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

    pub fn known(&self, fault: Fault) -> Option<&Verdict> {
        self.known.get(&format!("{fault:x?}"))
    }

    /// Keeps what became of these.
    pub fn keep(&mut self, verdicts: &[(Fault, Verdict)]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let line = |(fault, verdict): &(Fault, Verdict)| {
            let (Ok(what) | Err(what)) = verdict;
            let verdict = if verdict.is_ok() { "good" } else { "bad" };
            format!("{}\t{fault:x?}\t{verdict}\t{what}\n", self.of)
        };
        // In one write: another test may write to the same file.
        file.write_all(verdicts.iter().map(line).collect::<String>().as_bytes())
    }
}

#[test]
fn a_soak_that_was_cut_goes_on_where_it_was() {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let open = |digest| Journal::open(Some(path.to_path_buf()), &digest).unwrap();
    let (this, other) = (Digest([7; 32]), Digest([8; 32]));
    let [first, second, third] = [1, 2, 3].map(Fault::Gone);
    let (good, bad) = (Ok("refused".to_owned()), Err("started".to_owned()));
    open(this).keep(&[(first, good.clone()), (second, bad.clone())]).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"0707\tGone(3)\tgo").unwrap();
    open(this).keep(&[(third, good.clone())]).unwrap();
    let journal = open(this);
    let known = [first, second, third].map(|fault| journal.known(fault).cloned());
    assert_eq!(known, [Some(good.clone()), Some(bad), Some(good)]);
    assert!(open(other).known(first).is_none(), "of another ROM");
    assert!(Journal::open(None, &this).unwrap().known(first).is_none());
}
