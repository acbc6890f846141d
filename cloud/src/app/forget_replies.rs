//! Replies to check-ins: kept for retries, forgotten when no device believes them any more.

use super::{App, AppError};
use crate::store::WriteTx;

/// Seconds that a reply is kept. A device believes one for 60 s; the rest is for its slow clock.
const KEPT_S: u64 = 600;

/// Forgets replies that are too old.
pub(super) async fn forget(app: &App) -> Result<(), AppError> {
    let before_s = app.clock.now_s().saturating_sub(KEPT_S);
    if app.store.read(|db| db.check_in_replies_before(before_s))? {
        let work = move |db: &WriteTx<'_>| db.check_in_replies_forget(before_s);
        app.store.write(work).await?;
    }
    Ok(())
}
