//! A connection that ends after any byte of the talk, in either direction: no message is lost, and none
//! comes twice unless the record says that it may have.

use super::row::{Cut, Row};
use super::scene::{Named, Network, play};

/// Plays one row for each place of a cut.
fn each(places: impl Iterator<Item = usize>, cut: fn(usize) -> Cut) {
    let rows = places.map(|place| {
        let row = Row { cut: Some(cut(place)), ..Row::honest() };
        (format!("{:?}", cut(place)), row.survives())
    });
    let rows: Vec<Named> = rows.collect();
    let count = rows.len();
    let results = play(&rows, Network::Loopback);
    let wrong: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
    assert!(results.len() == count && wrong.is_empty(), "{} of {count}: {wrong:?}", wrong.len());
}

/// Everything that a server says to one message has less than 200 bytes.
#[test]
fn a_connection_that_ends_after_any_byte_the_server_said() {
    each(0..200, Cut::Said);
}

/// Everything that is said to it has some 1,700 bytes: half of them are the signature.
#[test]
fn a_connection_that_ends_after_any_byte_the_server_read() {
    each((0..120).chain((120..2000).step_by(24)), Cut::Read);
}
