//! What people may ask of whoever keeps something about them: to be forgotten. What is kept is shown by the
//! API; here it is destroyed, wherever it lies.

mod erasure;
mod job;

pub use erasure::{Erased, Rights, RightsFault};
pub use job::{Begun, JOBS_PER_ACCOUNT_MAX};
