//! Mail goes out: route, pool, attempt, signature, outcome. It sends and never decides.

pub mod destination;

pub use destination::{Refused, permitted};
