//! How many replies a second one core reads: those that the tests make up for every mail program and language,
//! or the messages (`*.eml`) of a folder that is named.

#![allow(unreachable_pub, dead_code)]
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

#[path = "../replies/clients.rs"]
mod clients;
#[path = "../replies/message.rs"]
mod message;
#[path = "../replies/mime.rs"]
mod mime;
#[path = "../replies/tongues.rs"]
mod tongues;
#[path = "../replies/tongues_further.rs"]
mod tongues_further;

use relent::config;
use relent::replies::{Words, classify};
use std::time::Instant;

/// How often all are read; the fastest round counts, since others use the machine too.
const ROUNDS: usize = 10;

fn main() {
    let folder = std::env::args().skip(1).find(|name| name != "--bench");
    let messages: Vec<Vec<u8>> = match folder {
        None => message::all(1).into_iter().map(|made| made.message).collect(),
        Some(folder) => std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .map(|path| std::fs::read(path).expect("a message"))
            .collect(),
    };
    let limits = config::Replies::default();
    let words = Words::new(&limits.words).expect("the words are TOML");
    let mut fastest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for message in &messages {
            std::hint::black_box(classify(message, &limits, words.all()));
        }
        fastest = fastest.min(begun.elapsed().as_secs_f64());
    }
    let size = messages.iter().map(Vec::len).sum::<usize>() / messages.len().max(1);
    let rate = messages.len() as f64 / fastest;
    println!("{rate:.0} replies a second, {} of {size} bytes on average", messages.len());
}
