//! The operator's verbs: a client of the API over the admin socket.
