//! A seccomp program as a decision tree over the system call's number.
//!
//! The kernel runs the program for every call, and once for every call that exists when it is
//! installed: a tree takes a dozen steps where a list takes hundreds.

use std::collections::BTreeMap;

use libc::sock_filter;

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Errno(i32),
    /// Raises SIGSYS, which becomes a failure report.
    Trap,
    Kill,
}

/// Of the call's argument with this number the low 32 bits, masked, equal `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    pub argument: u8,
    pub mask: u32,
    pub value: u32,
}

/// What decides about one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Always(Answer),
    /// Allowed if all conditions of one of these hold; otherwise the second.
    AllowIf(Vec<Vec<Condition>>, Answer),
}

/// The program: `calls` by their numbers, `otherwise` for the rest, and the end of the process for
/// a call in the manner of another processor.
pub fn compile(calls: &BTreeMap<u32, Verdict>, otherwise: Answer) -> Vec<sock_filter> {
    let otherwise = Verdict::Always(otherwise);
    let mut ranges = vec![(0, &otherwise)];
    for (number, verdict) in calls {
        let after_gap = ranges.last().is_some_and(|(start, _)| start == number);
        if after_gap {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, before)| *before != verdict) {
            ranges.push((*number, verdict));
        }
        ranges.push((number + 1, &otherwise));
    }
    let mut program = vec![
        load(ARCHITECTURE_AT),
        jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
        answer(Answer::Kill),
        load(NUMBER_AT),
    ];
    program.extend(tree(&ranges));
    program
}

/// Decides between ranges of numbers, each from its start to the next one's.
fn tree(ranges: &[(u32, &Verdict)]) -> Vec<sock_filter> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    match (low, high) {
        ([], [(_, verdict), ..]) => leaf(verdict),
        (_, [(start, _), ..]) => {
            let low = tree(low);
            let mut program = match u8::try_from(low.len()) {
                Ok(skip) => vec![jump(libc::BPF_JGE, *start, skip, 0)],
                // A conditional jump reaches 255 instructions, a plain one all.
                Err(_) => {
                    let skip = u32::try_from(low.len()).unwrap_or(u32::MAX);
                    vec![jump(libc::BPF_JGE, *start, 0, 1), instruction(libc::BPF_JMP, skip)]
                }
            };
            program.extend(low);
            program.extend(tree(high));
            program
        }
        (_, []) => vec![answer(Answer::Kill)],
    }
}

fn leaf(verdict: &Verdict) -> Vec<sock_filter> {
    let (rules, otherwise) = match verdict {
        Verdict::Always(always) => return vec![answer(*always)],
        Verdict::AllowIf(rules, otherwise) => (rules, *otherwise),
    };
    let mut program = Vec::new();
    for conditions in rules {
        let mut left = 3 * conditions.len();
        for Condition { argument, mask, value } in conditions {
            left -= 3;
            program.push(load(ARGUMENTS_AT + 8 * u32::from(*argument)));
            program.push(instruction(libc::BPF_ALU | libc::BPF_AND, *mask));
            // Past the conditions that are left and the answer behind them.
            let to_next_rule = u8::try_from(left + 1).unwrap_or(u8::MAX);
            program.push(jump(libc::BPF_JEQ, *value, 0, to_next_rule));
        }
        program.push(answer(Answer::Allow));
    }
    program.push(answer(otherwise));
    program
}

// Places in the kernel's `struct seccomp_data`; of an argument the low half comes first.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

#[cfg(target_endian = "big")]
compile_error!("the sandbox's filter looks at arguments as a little-endian processor has them");

/// `AUDIT_ARCH_…` of <linux/audit.h>.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else if cfg!(target_arch = "arm") {
    0x4000_0028
} else if cfg!(target_arch = "riscv64") {
    0xc000_00f3
} else {
    panic!("the sandbox's filter does not know this processor: add its AUDIT_ARCH here")
};

fn load(place: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place)
}

fn jump(test: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { jt: if_true, jf: if_false, ..instruction(libc::BPF_JMP | test, value) }
}

fn answer(answer: Answer) -> sock_filter {
    let value = match answer {
        Answer::Allow => libc::SECCOMP_RET_ALLOW,
        Answer::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
        Answer::Trap => libc::SECCOMP_RET_TRAP,
        Answer::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    };
    instruction(libc::BPF_RET, value)
}

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Runs a program as the kernel does; returns its answer and how many steps that took.
    pub fn run(program: &[sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> (u32, u32) {
        let (mut at, mut accumulator, mut steps) = (0, 0u32, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            (at, steps) = (at + 1, steps + 1);
            let test = |holds: bool| usize::from(if holds { jt } else { jf });
            match u32::from(code) {
                0x20 if k == NUMBER_AT => accumulator = number,
                0x20 if k == ARCHITECTURE_AT => accumulator = arch,
                0x20 => accumulator = arguments[(k - ARGUMENTS_AT) as usize / 8] as u32,
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += test(accumulator == k),
                0x35 => at += test(accumulator >= k),
                0x06 => return (k, steps),
                other => panic!("{other:#x}"),
            }
        }
    }

    pub fn answered(program: &[sock_filter], number: i64, arguments: [u64; 6]) -> u32 {
        run(program, ARCHITECTURE, number as u32, arguments).0
    }

    #[test]
    fn every_number_gets_its_own_answer() {
        let answers = [Answer::Allow, Answer::Trap, Answer::Errno(38), Answer::Allow];
        let calls: BTreeMap<u32, Verdict> = (0..1000)
            .filter(|number| number % 7 != 3)
            .map(|number| (number, Verdict::Always(answers[(number % 4) as usize])))
            .collect();
        let program = compile(&calls, Answer::Errno(1));
        for number in (0..1100).chain([0x4000_0000, u32::MAX]) {
            let wanted = match calls.get(&number) {
                Some(Verdict::Always(always)) => answer(*always).k,
                _ => libc::SECCOMP_RET_ERRNO | 1,
            };
            assert_eq!(answered(&program, i64::from(number), [0; 6]), wanted, "{number}");
        }
    }

    #[test]
    fn a_call_of_another_processor_ends_the_process() {
        let calls = BTreeMap::from([(1, Verdict::Always(Answer::Allow))]);
        let program = compile(&calls, Answer::Errno(1));
        assert_eq!(run(&program, 0x4000_0003, 1, [0; 6]).0, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn one_rule_must_hold_whole() {
        let condition = |argument, mask, value| Condition { argument, mask, value };
        let rules = vec![
            vec![condition(0, u32::MAX, 5), condition(2, 0xf0, 0x30)],
            vec![condition(5, 1, 1)],
        ];
        let calls = BTreeMap::from([(9, Verdict::AllowIf(rules, Answer::Errno(1)))]);
        let program = compile(&calls, Answer::Trap);
        let allowed = |arguments| answered(&program, 9, arguments) == libc::SECCOMP_RET_ALLOW;
        assert!(allowed([5, 0, 0x3f, 0, 0, 0]) && allowed([0, 0, 0, 0, 0, 3]));
        assert!(!allowed([5, 0, 0x2f, 0, 0, 0]) && !allowed([4, 0, 0x30, 0, 0, 0]));
        assert!(!allowed([0; 6]));
    }
}
