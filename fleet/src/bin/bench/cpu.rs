//! CPU time, and what is made of several rounds.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Microseconds of CPU that this process has used, all threads.
pub fn process_us() -> f64 {
    us(clock_gettime(ClockId::ProcessCPUTime))
}

/// Microseconds of CPU that this thread has used.
pub fn thread_us() -> f64 {
    us(clock_gettime(ClockId::ThreadCPUTime))
}

fn us(time: Timespec) -> f64 {
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// This thread's CPU for one run of `work`, of `loops` runs, microseconds.
pub fn each_us(loops: usize, mut work: impl FnMut()) -> f64 {
    let before = thread_us();
    (0..loops.max(1)).for_each(|_| work());
    (thread_us() - before) / loops.max(1) as f64
}

/// The median; not a number of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
