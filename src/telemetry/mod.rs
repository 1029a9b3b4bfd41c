//! Logs and metrics: set up once by the daemon. Everyone else speaks to `tracing` and `metrics`.
