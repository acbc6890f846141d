//! One board, from whatever it is to a finished device.

use super::lot::{Journal, Lot, Step};
use super::self_test::{self, Written};
use crate::error::CliError;
use crate::virtual_device::{advance, endorse, is_claim_code};
use anyhow::Result;
use craton_rot::mailbox::client::{Address, Line, Mailbox, Patience, Transport};
use craton_rot::{Error, Manufacture, RootOfTrust as _, RotClass, SECTION_MAX, Start};
use craton_trust::crypto::Crypto as _;
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::Lifecycle;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Section, SectionKind};
use craton_trust::{DeviceId, Signed};

type Board = Mailbox<Box<dyn Transport + Send>>;

/// A finished device.
pub struct Finished {
    pub device: DeviceId,
    pub number: u32,
    pub rot: RotClass,
    pub lifecycle: Lifecycle,
}

/// Makes the board at an address a device of the lot, from wherever an earlier try left it.
///
/// # Errors
/// `BoardFinished`, `BoardForeign`, `BoardOther`, `LotFull`, `SelfTestFailed`; those of the lot's
/// files and of the root of trust.
pub fn make(lot: &Lot, address: &Address, manufacturer: &SoftKey) -> Result<Finished> {
    let mut board = with_identity(lot, address)?;
    let mut journal = recognise(lot, &mut board)?;
    let board = succeed(lot, board)?;
    let (device, identity) = (board.device(), board.identity());
    // Never silicon: that is for its maker to know, and no word of a chip.
    let rot = board.capabilities().class.min(RotClass::Firmware);
    let claim_code = lot.claim_code(device)?;
    let lifecycle = close(lot, &mut journal, board, &claim_code, manufacturer)?;
    let claim_code = Soft.sha256(&[claim_code.as_bytes()]);
    let endorsement = Endorsement { identity, rot, class: lot.class(), claim_code };
    lot.list(device, &endorse(&endorsement, manufacturer)?, manufacturer)?;
    lot.note(&mut journal, Step::Listed)?;
    Ok(Finished { device, number: journal.number, rot, lifecycle })
}

/// The board, just reset; a blank one is given its identity.
fn with_identity(lot: &Lot, address: &Address) -> Result<Board> {
    let mut line = Line::open(address.connect()?, Patience::default())?;
    match line.about().refused {
        None => line.restart(Start::Normal)?,
        Some(Error::NotManufactured) => {
            // It is on the disk before its digest is in a fuse.
            let code = lot.bench_code()?;
            let claim_code = Soft.sha256(&[code.as_bytes()]);
            let platform_section = lot.platform();
            let with = Manufacture { platform_section, claim_code, class: lot.class() };
            line.manufacture(&with)?;
        }
        Some(refused) => return Err(refused.into()),
    }
    Ok(Mailbox::of(line)?)
}

/// What is noted of a board, or what is to be noted of it: it is one of the lot's, or the one that
/// was made just now, perhaps by a station that was killed before it could say so. That one is
/// known by its claim code, of which the bench has the only copy.
fn recognise(lot: &Lot, board: &mut Board) -> Result<Journal> {
    let device = board.device();
    if let Some(journal) = lot.journal(device)? {
        return match journal.step {
            Step::Listed => {
                let number = journal.number;
                Err(CliError::BoardFinished { device: device.to_string(), number }.into())
            }
            _ => Ok(journal),
        };
    }
    let status = board.status()?;
    let other = |what| CliError::BoardOther { device: device.to_string(), what };
    if status.class != lot.class() {
        return Err(other("class").into());
    }
    if status.sections.0 != lot.genesis() {
        return Err(other("platform").into());
    }
    let foreign = || CliError::BoardForeign(device.to_string());
    let code = lot.bench_code_of_before()?.ok_or_else(foreign)?;
    let unowned = status.owner.is_none();
    if unowned && is_claim_code(board, code.as_bytes())? {
        lot.identify(device)
    } else {
        Err(foreign().into())
    }
}

/// Brings the board to the station's newest platform section, version by version: orders are the
/// manufacturer's whom that one names. A board that was there before has nothing to take.
fn succeed(lot: &Lot, mut board: Board) -> Result<Board> {
    let mut room = vec![0; SECTION_MAX];
    let kept = Signed::parse(board.section(SectionKind::Platform, &mut room)?)?;
    let version = Section::parse(kept.unchecked_payload())?.version;
    let mut taken = 0;
    for successor in lot.successors(version) {
        board.replace(successor, &[], &[])?;
        taken += 1;
    }
    // Evidence of this reset would quote what was in force when it began.
    if taken > 0 { Ok(board.restart(Start::Normal)?) } else { Ok(board) }
}

/// Tests the board, closes its lifecycle, and tests it again. A development root stays where
/// development devices are: `DeviceComplete` refuses it.
fn close(
    lot: &Lot,
    journal: &mut Journal,
    mut board: Board,
    claim_code: &str,
    manufacturer: &SoftKey,
) -> Result<Lifecycle> {
    let last = if lot.is_dev() { Lifecycle::Module1Complete } else { Lifecycle::DeviceComplete };
    if board.status()?.lifecycle == Lifecycle::Blank {
        board = moved(board, Lifecycle::Module1Complete, manufacturer)?;
    }
    if journal.step < Step::Tested {
        test(lot, &mut board, Lifecycle::Module1Complete, claim_code)?;
        lot.note(journal, Step::Tested)?;
    }
    if journal.step < Step::Closed && last != Lifecycle::Module1Complete {
        if board.status()?.lifecycle == Lifecycle::Module1Complete {
            board = moved(board, last, manufacturer)?;
        }
        test(lot, &mut board, last, claim_code)?;
    }
    if journal.step < Step::Closed {
        lot.note(journal, Step::Closed)?;
    }
    Ok(last)
}

fn moved(mut board: Board, to: Lifecycle, manufacturer: &SoftKey) -> Result<Board> {
    advance(&mut board, manufacturer, to)?;
    Ok(board.restart(Start::Normal)?)
}

fn test(lot: &Lot, board: &mut Board, lifecycle: Lifecycle, claim_code: &str) -> Result<()> {
    let device = board.device();
    let (class, genesis, (platform, section)) = (lot.class(), lot.genesis(), lot.newest()?);
    let written = Written { device, class, lifecycle, platform, section, genesis, claim_code };
    self_test::run(board, &written)
}
