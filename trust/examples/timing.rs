//! Whether the time of a key and of a signature tells the secret: Welch's t-test between one fixed
//! secret and random ones (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017).
//!
//! `cargo xtask soak` runs it. It is the weaker of two checks: a statistic of this machine, which a
//! leak smaller than its noise escapes. `firmware/tests/steps.rs` counts instructions.
//!
//! Verification may take other steps for other signatures, and does: if that cannot be seen, then
//! nothing could, and the run fails, too.

use craton_trust::compact::Compact;
use craton_trust::crypto::{Crypto as _, KeyedCrypto as _, Signer as _};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const SAMPLES: usize = 60_000;
/// Above it a difference is no chance, or one in millions of runs.
const T_MAX: f64 = 5.0;
/// What the difference of verification must come to.
const T_SEEN: f64 = 10.0;
/// Keys of each class, in as much memory: a cache knows no secret.
const KEYS: usize = 64;
/// The slowest samples are interruptions, of either class alike.
const KEPT_PERCENT: usize = 80;

fn main() -> ExitCode {
    let [key, sign, verify] = [time_keys(), time_signatures(), time_verification()];
    println!(
        "{SAMPLES} samples each: t of keys {key:.2}, of signatures {sign:.2} (below {T_MAX});"
    );
    println!("t of verification, which may differ: {verify:.2} (above {T_SEEN})");
    let constant = key.abs() < T_MAX && sign.abs() < T_MAX;
    match (constant, verify.abs() > T_SEEN) {
        (true, true) => ExitCode::SUCCESS,
        (false, _) => {
            println!("timing: the secret shows");
            ExitCode::FAILURE
        }
        (true, false) => {
            println!("timing: a difference that is there was not seen; is the machine too busy?");
            ExitCode::FAILURE
        }
    }
}

fn random(label: &str, number: usize) -> [u8; 32] {
    Compact.sha256(&[label.as_bytes(), &number.to_be_bytes()]).0
}

/// A secret with few bits, if there were any that show.
fn fixed() -> [u8; 32] {
    core::array::from_fn(|i| u8::from(i == 31))
}

fn time_keys() -> f64 {
    t(|fixed_class, i| {
        let secret = if fixed_class { fixed() } else { random("secret", i) };
        time(|| Compact.key(black_box(&secret)).is_ok())
    })
}

fn time_signatures() -> f64 {
    // Keys are made beforehand, both classes alike: only signing is timed.
    let other: Vec<_> = (0..KEYS).map(|i| Compact.key(&random("key", i)).ok()).collect();
    let same: Vec<_> = (0..KEYS).map(|_| Compact.key(&fixed()).ok()).collect();
    t(|fixed_class, i| {
        let key = &if fixed_class { &same } else { &other }[i % KEYS];
        let message = random("message", i);
        time(|| key.as_ref().is_some_and(|key| key.sign(&[black_box(&message)]).is_ok()))
    })
}

fn time_verification() -> f64 {
    let Ok(key) = Compact.key(&random("key", 0)) else { return 0.0 };
    let public = key.public_key();
    let sign = |i| key.sign(&[&random("message", i)]).unwrap_or([0; 64]);
    let signatures: Vec<_> = (0..KEYS).map(sign).collect();
    t(|fixed_class, i| {
        let which = if fixed_class { 0 } else { i % KEYS };
        let message = random("message", which);
        time(|| Compact.es256_verify(&public, &[&message], black_box(&signatures[which])).is_ok())
    })
}

/// Nanoseconds.
fn time(what: impl FnOnce() -> bool) -> f64 {
    let start = Instant::now();
    assert!(black_box(what()));
    start.elapsed().as_nanos() as f64
}

/// Welch's t of the two classes, which take turns by chance.
fn t(sample: impl Fn(bool, usize) -> f64) -> f64 {
    let class = |i| random("class", i)[0] & 1 == 1;
    let all: Vec<(bool, f64)> = (0..SAMPLES).map(|i| (class(i), sample(class(i), i))).collect();
    let mut times: Vec<f64> = all.iter().map(|(_, time)| *time).collect();
    times.sort_by(f64::total_cmp);
    let slowest = times[times.len() * KEPT_PERCENT / 100];
    let of = |wanted| {
        let kept = all.iter().filter(move |(class, time)| *class == wanted && *time < slowest);
        let kept: Vec<f64> = kept.map(|(_, time)| *time).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let squares = kept.iter().map(|time| (time - mean) * (time - mean)).sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    };
    let ((first, first_error), (second, second_error)) = (of(true), of(false));
    (first - second) / (first_error + second_error).sqrt()
}
