//! One suite for every back-end: each behaviour that the trait promises, and each refusal.

mod bench;
mod board;
mod boots;
mod changed;
mod evidence;
mod file_platform;
mod forged;
mod hybrid;
mod hybrid_rom;
mod judge;
mod lms;
mod mailbox;
mod manufacturing;
mod own;
mod owners;
mod power_cut;
mod programs;
mod rom;
mod sealing;
mod steps;
mod sums;
mod swtpm;
mod tpm;
mod tpm_cut;
mod tpm_generation;
mod world;
