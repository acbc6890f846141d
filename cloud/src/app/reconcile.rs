//! What background work does: it compares what is wanted with what is, takes no input, and may run
//! twice.

use super::{App, AppError, advance_rollouts, forget_replies, group_failures};

/// One round of everything; what one refuses does not keep the others.
pub async fn round(app: &App) -> Vec<AppError> {
    let done = [
        group_failures::group(app).await,
        advance_rollouts::advance_and_pause(app).await,
        forget_replies::forget(app).await,
    ];
    done.into_iter().filter_map(Result::err).collect()
}
