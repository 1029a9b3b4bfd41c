//! The spool: an append-only log on disk that holds every accepted message and everything that
//! happened to it. One writer; one `fdatasync` serves all that wait; a torn tail is cut, a bad record
//! quarantined; bodies stream in and are read back by offset. It knows nothing of what its records
//! mean.

mod body;
mod handle;
mod record;
mod recovery;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

pub use body::{Body, BodyReader, BodyWriter, Extent};
pub use handle::{Durability, Encode, Spool, SpoolFault};
pub use record::{Kind, Record, Sequence};
pub use recovery::Recovery;
