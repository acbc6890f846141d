//! Claiming all that a station made, by the list that its maker signed.

use craton_api::operator::{LotClaim, LotClaimed, LotOutcome, LotRow, Section};
use craton_trust::lot::Lot;

use super::devices::{self, Claiming};
use super::{AppError, Core, log, newest_section};
use crate::catalog;
use crate::crypto::AwsLc;
use crate::store::WriteTx;
use crate::tenancy::{ManageDevices, Permit};

/// Lists the devices of a lot as pending, in one commit. A device that is refused is told as that,
/// and keeps no other one from being listed; the same lot again changes nothing.
///
/// # Errors
/// `ObjectRefused` for the lot as a whole, `GroupUnknown`, `GroupPathInvalid`.
pub async fn claim(
    core: &Core,
    permit: Permit<ManageDevices>,
    asked: LotClaim,
) -> Result<LotClaimed, AppError> {
    let (now_s, keys) = (core.clock.now_s(), core.keys.clone());
    let work = move |db: &WriteTx<'_>| {
        let group = asked.group.as_deref();
        devices::check_group(db, &permit, group, None)?;
        let platform = newest_section(db, permit.catalog(), Section::Platform)?;
        let platform = platform.section();
        let lot = catalog::lot(&platform, &asked.lot.0)?;
        let claiming = Claiming { db, permit: &permit, platform: &platform, now_s };
        let (rows, leaves) = each(&claiming, &lot, group)?;
        log::append_all(db, &*keys.log, permit.catalog(), &leaves, now_s)?;
        Ok(LotClaimed { rows })
    };
    core.store.write(work).await
}

type Each = (Vec<LotRow>, Vec<crate::audit::Leaf>);

fn each(claiming: &Claiming<'_, '_>, lot: &Lot<'_>, group: Option<&str>) -> Result<Each, AppError> {
    let (mut rows, mut leaves) = (Vec::new(), Vec::new());
    for (device, endorsement) in lot.rows(&AwsLc) {
        let device = device.into();
        let row = LotRow { device, outcome: LotOutcome::Known, code: None, detail: None };
        let claimed = claiming.list(device, endorsement, group);
        rows.push(match claimed {
            Ok((_, None)) => row,
            Ok((_, Some(leaf))) => {
                leaves.push(leaf);
                LotRow { outcome: LotOutcome::Listed, ..row }
            }
            Err(AppError::Catalog(refusal)) => LotRow {
                outcome: LotOutcome::Refused,
                code: Some(refusal.code()),
                detail: Some(refusal.to_string()),
                ..row
            },
            Err(other) => return Err(other),
        });
    }
    Ok((rows, leaves))
}
