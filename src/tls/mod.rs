//! Certificates: ours, loaded, made and reloaded; and how we speak TLS to other mail servers.
