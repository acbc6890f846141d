//! Reading failure records: which functions a trace went through, which failures are the same,
//! and what to call them. Pure: symbols and records are passed in, nothing is stored here.

mod fingerprint;
mod names;
mod symbols;
mod title;

pub use fingerprint::{Confidence, DeviceKey, ServerKey, device_key, server_key};
pub use symbols::{Place, SYMBOLS_LEN_MAX, SymbolError, Symbols};
pub use title::title;

use craton_trust::failure::{Failure, Frame};

/// One frame of a trace, with what the symbols say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedFrame {
    pub build_id: Vec<u8>,
    pub pc: u64,
    /// Innermost first: a function and, where it was inlined, those it was inlined into. Empty
    /// without symbols.
    pub places: Vec<Place>,
}

/// Every frame of `failure`, with the places that `symbols` (of any number of programs) know.
pub fn symbolise(failure: &Failure<'_>, symbols: &[Symbols<'_>]) -> Vec<TracedFrame> {
    let mut frames = unsymbolised(failure);
    symbols.iter().for_each(|program| add_places(&mut frames, program));
    frames
}

/// Every frame of `failure`, as build id and place.
pub fn unsymbolised(failure: &Failure<'_>) -> Vec<TracedFrame> {
    let traced = |frame: &Frame<'_>| TracedFrame {
        build_id: frame.build_id.to_vec(),
        pc: frame.pc,
        places: Vec::new(),
    };
    failure.frames().iter().map(traced).collect()
}

/// Adds what the symbols of one program know to the frames that are in it.
pub fn add_places(frames: &mut [TracedFrame], program: &Symbols<'_>) {
    let of_program =
        |frame: &&mut TracedFrame| frame.places.is_empty() && frame.build_id == program.build_id();
    frames.iter_mut().filter(of_program).for_each(|frame| frame.places = program.places(frame.pc));
}
