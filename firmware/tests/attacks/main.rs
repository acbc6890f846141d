//! The running firmware when something goes wrong in it, and when somebody attacks it: faults,
//! panics and a hostile non-secure side end in a wiped chip that starts again (FAIL-3).

#[allow(dead_code)] // the boots' helpers, of which the attacks use some
#[path = "../board/board.rs"]
mod board;
mod cuts;
#[path = "../faults/dice.rs"]
mod dice;
mod equal;
mod failures;
mod frames;
mod fuzz;
#[allow(dead_code)] // as above
#[path = "../faults/gdb.rs"]
mod gdb;
mod hostile;
#[path = "../faults/journal.rs"]
mod journal;
#[path = "../../../rot/tests/conformance/judge.rs"]
mod judge;
mod judged;
mod known;
mod private;
mod probe;
mod quick;
#[allow(dead_code)] // as above
#[path = "../faults/rom.rs"]
mod rom;
#[allow(dead_code)] // the suite's, of which the attacks use some
#[path = "../../../rot/tests/conformance/steps.rs"]
mod steps;
mod waits;
mod wiped;
#[allow(dead_code)] // the suite's, of which the attacks use some
#[path = "../../../rot/tests/conformance/world.rs"]
mod world;
