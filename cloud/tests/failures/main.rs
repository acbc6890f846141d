//! Failures of real programs: named, grouped and titled.

mod corpus;
mod grouping;
mod symbols;
