//! Mail comes in: listeners, authentication, admission, submission, inbound.
