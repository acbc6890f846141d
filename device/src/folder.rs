//! The names in a device's folder that more than one role knows.

/// The software root of trust: fuses, counters and flash.
pub const ROT_FILE: &str = "rot.bin";
/// The manufacturer's endorsement.
pub const ENDORSEMENT_FILE: &str = "endorsement.cbor";
