//! A bounded ring of failure records, one file each, named by their number.
//!
//! FAIL-2: numbers are never reused, so that the service sees a gap where records were dropped.

use craton_trust::failure::{Failure, RECORD_MAX};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The most records that wait; the oldest give way.
pub const SPOOL_MAX: usize = 64;

/// Why a record could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("E5210: {0}: {1}. The failure is counted, and its record lost; make room on the disk")]
    SpoolIo(PathBuf, std::io::Error),
    /// The record is not one.
    #[error("E5211: the failure record is damaged: {0}")]
    SpoolRecord(craton_trust::Error),
}

impl SpoolError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::SpoolIo(..) => 5210,
            Self::SpoolRecord(_) => 5211,
        }
    }
}

/// The records that wait.
pub struct Spool {
    folder: PathBuf,
    next: u64,
}

impl Spool {
    /// The spool in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// `SpoolIo`.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        let io = |error| SpoolError::SpoolIo(folder.to_owned(), error);
        fs::create_dir_all(folder).map_err(io)?;
        let kept = fs::read_to_string(folder.join("next")).ok();
        let kept = kept.and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        let mut spool = Self { folder: folder.to_owned(), next: kept };
        // The counter is written before a record that bears it, but be sure if it is lost.
        let highest = spool.numbers().last().map_or(0, |number| number + 1);
        spool.next = spool.next.max(highest);
        Ok(spool)
    }

    /// Numbers a record and keeps it; returns its number.
    ///
    /// # Errors
    /// `SpoolIo`, `SpoolRecord`.
    pub fn keep(&mut self, record: &[u8]) -> Result<u64, SpoolError> {
        let mut failure = Failure::parse(record).map_err(SpoolError::SpoolRecord)?;
        failure.number = self.next;
        let mut room = [0u8; RECORD_MAX];
        let bytes = failure.encode(&mut room).map_err(SpoolError::SpoolRecord)?;
        // The number is used up even if the disk refuses: what is lost shows as a gap.
        self.next = self.next.saturating_add(1);
        self.write("next", self.next.to_string().as_bytes())?;
        self.write(&format!("{:020}.failure", failure.number), bytes)?;
        let numbers = self.numbers();
        let too_many = numbers.len().saturating_sub(SPOOL_MAX);
        for number in numbers.iter().take(too_many) {
            let _ = fs::remove_file(self.path(*number));
        }
        Ok(failure.number)
    }

    /// The records with their numbers, oldest first: as many as one report holds.
    #[must_use]
    pub fn waiting(&self) -> Vec<(u64, Vec<u8>)> {
        let read = |number: &u64| Some((*number, fs::read(self.path(*number)).ok()?));
        let intact = |(_, bytes): &(u64, Vec<u8>)| Failure::parse(bytes).is_ok();
        // A cut between writing a record and dropping the oldest leaves one too many.
        self.numbers().iter().filter_map(read).filter(intact).take(SPOOL_MAX).collect()
    }

    /// Forgets records that the service has; returns how many.
    pub fn forget(&mut self, sent: &[(u64, Vec<u8>)]) -> u64 {
        let gone = |(number, _): &&(u64, Vec<u8>)| fs::remove_file(self.path(*number)).is_ok();
        sent.iter().filter(gone).count() as u64
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.failure"))
    }

    fn numbers(&self) -> Vec<u64> {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| {
            entry.file_name().to_str()?.strip_suffix(".failure")?.parse().ok()
        };
        let mut numbers: Vec<u64> = names.filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
        let (fresh, place) = (self.folder.join("new"), self.folder.join(name));
        let io = |error| SpoolError::SpoolIo(place.clone(), error);
        let mut file = fs::File::create(&fresh).map_err(io)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&fresh, &place).map_err(io)?;
        fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::failure::FailureKind;
    use craton_trust::{ComponentId, Digest, ImageId};

    fn record() -> Vec<u8> {
        let (component, image) = (ComponentId([1; 16]), ImageId([2; 32]));
        let failure = Failure::new(FailureKind::Crash, component, image, Digest([3; 32]));
        let mut room = [0u8; RECORD_MAX];
        failure.encode(&mut room).unwrap().to_vec()
    }

    #[test]
    fn fail_2_a_full_spool_drops_the_oldest_and_the_numbers_show_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        for expected in 1..=SPOOL_MAX as u64 + 5 {
            assert_eq!(spool.keep(&record()).unwrap(), expected);
        }
        let waiting = spool.waiting();
        assert_eq!(waiting.len(), SPOOL_MAX);
        assert_eq!(waiting.first().map(|(number, _)| *number), Some(6));
        assert_eq!(spool.forget(&waiting), SPOOL_MAX as u64);
        let kept = record();
        for number in 100..=100 + SPOOL_MAX {
            fs::write(spool.path(number as u64), &kept).unwrap();
        }
        assert_eq!(spool.waiting().len(), SPOOL_MAX, "what a cut left fits a report");
        for number in 100..=100 + SPOOL_MAX {
            fs::remove_file(spool.path(number as u64)).unwrap();
        }
        drop(spool);
        let mut again = Spool::open(folder.path()).unwrap();
        assert_eq!(again.keep(&record()).unwrap(), SPOOL_MAX as u64 + 6);
    }

    #[test]
    fn what_is_no_record_is_spool_record_and_a_lost_folder_spool_io() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        let refused = spool.keep(&[1, 2, 3]);
        assert!(matches!(refused, Err(SpoolError::SpoolRecord(_))));
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(matches!(spool.keep(&record()), Err(SpoolError::SpoolIo(..))));
    }
}
