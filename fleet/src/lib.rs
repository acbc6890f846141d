//! Virtual devices under one clock and one seed, against the real service.
//!
//! A [`Device`] is the real root-of-trust engine on a chip in memory, the real slots, the real
//! verification of assignments, sets, envelopes and payloads, and real TLS 1.3 to a service that
//! runs in this process. What is simulated: time, randomness, and an app's health, which is drawn
//! instead of a process that runs.
//!
//! Everything random that decides what happens is drawn from the [`Seed`] in a fixed order, so that
//! seed and commit reproduce plan, outcomes and order. What TLS and the service's signatures draw
//! decides nothing.
#![forbid(unsafe_code)]

mod chip;
mod clock;
mod device;
mod house;
mod maker;
mod operator;
mod release;
mod scene;
mod seed;
mod watch;

pub use chip::Chip;
pub use clock::SimClock;
pub use device::{Believing, Device, Event, Missed, Prepared, World};
pub use house::{House, Setting, pkcs8};
pub use maker::{CLASS, Maker};
pub use operator::Operator;
pub use release::{Behaviour, Edition, Release, publish, publish_runtime};
pub use scene::{GROUP, Made, Plan, Scene, create_catalog};
pub use seed::{Seed, Stream};
pub use watch::Watch;
