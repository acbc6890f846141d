//! The apps role: starts applications in sandboxes, and starts them again.

pub mod backoff;
mod failed;
mod log_limit;
mod oom_kills;
pub mod proxy;
mod refusal_log;
pub mod sandbox;
pub mod start_cost;
pub mod supervise;
