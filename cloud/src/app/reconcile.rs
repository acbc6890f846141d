//! What background work does: it compares what is wanted with what is, takes no input, and may run
//! twice.

use super::{App, AppError, advance_rollouts, collect_blobs, group_failures};

/// One round of everything; what one refuses does not keep the others. Rollouts come first: what
/// devices send must not delay them.
pub async fn round(app: &App) -> Vec<AppError> {
    let done = [
        advance_rollouts::advance_and_pause(app).await,
        collect_blobs::collect(app).await,
        group_failures::group(app).await,
    ];
    done.into_iter().filter_map(Result::err).collect()
}
