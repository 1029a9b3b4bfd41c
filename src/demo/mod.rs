//! The story of the README, told over the real daemon.
