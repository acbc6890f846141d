//! The dashboard: pages for people, rendered on the server, read-only, for this machine alone.
//!
//! A page asks the same functions of `app` as the operator API does, makes a view of the answer and
//! renders it. It needs no script, sets no cookie and changes nothing.

pub mod view;
