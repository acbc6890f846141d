//! Deltas of payloads.
