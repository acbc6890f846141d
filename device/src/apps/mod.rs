//! The apps role: starts applications in sandboxes, and starts them again.

pub mod backoff;
pub mod proxy;
pub mod sandbox;
pub mod start_cost;
pub mod supervise;
