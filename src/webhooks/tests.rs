//! Webhooks over a real log, store and endpoints on loopback.
