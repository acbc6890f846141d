//! One suite for every back-end: each behaviour that the trait promises, and each refusal.

mod bench;
mod boots;
mod evidence;
mod file_platform;
mod manufacturing;
mod owners;
mod power_cut;
mod rom;
mod sealing;
mod world;
