//! Watching real processes: every way to end, alone and inside namespaces.

mod apps;
mod endings;
mod namespaces;
mod samples;
