//! The firmware on an emulated board: what its ROM starts and what not, the whole life of a device,
//! and the suite of every back-end, for which a virtual board gets power, and loses it where a
//! device restarts.

mod bench;
mod board;
#[path = "../../../rot/tests/conformance/boots.rs"]
mod boots;
#[path = "../../../rot/tests/conformance/evidence.rs"]
mod evidence;
mod figures;
#[path = "../../../rot/tests/conformance/hybrid.rs"]
mod hybrid;
#[path = "../../../rot/tests/conformance/lms.rs"]
mod lms;
#[path = "../../../rot/tests/conformance/manufacturing.rs"]
mod manufacturing;
#[path = "../../../rot/tests/conformance/owners.rs"]
mod owners;
mod panics;
#[path = "../../../rot/tests/conformance/programs.rs"]
mod programs;
mod recovery;
mod rom;
mod runtime;
#[path = "../../../rot/tests/conformance/sealing.rs"]
mod sealing;
mod slots;
#[path = "../../../rot/tests/conformance/steps.rs"]
mod steps;
mod update;
#[allow(dead_code)] // the suite's, of which the host's half uses more
#[path = "../../../rot/tests/conformance/world.rs"]
mod world;
