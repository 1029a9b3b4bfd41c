//! The manual: a page for each command and one for the settings, made from what the commands and the
//! settings say of themselves; and what makes a shell complete the commands.

mod examples;
mod pages;
mod settings;
mod shells;
mod write;

pub(super) use shells::Shell;
pub(super) use write::{completions, man};
