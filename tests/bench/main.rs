//! Measures Relent with a generator and a sink of its own, on loopback; beside Postfix where that is
//! installed. Run by `tests/bench/run`, which builds what is measured. Each line of the result names its
//! workload; ratios are those of one run, side by side.

// One program: what is public in its pages is so to them.
#![allow(unreachable_pub)]
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

mod generator;
mod group;
mod program;
mod relays;
mod sink;
mod workloads;

fn main() {
    // `cargo bench` hands over `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(workloads::run(&names));
}
