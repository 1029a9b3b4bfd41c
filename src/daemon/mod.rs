//! Builds every part, runs them, reloads, drains: the only place that knows everyone.
