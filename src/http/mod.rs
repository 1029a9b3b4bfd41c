//! People and programs come in: unsubscribe, API, metrics, health.
