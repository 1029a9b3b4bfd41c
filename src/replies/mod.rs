//! What people and machines answer: `classify` says what a message is, purely; `apply` acts on it.
