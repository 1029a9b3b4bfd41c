//! What is counted of TLS handshakes.

use rustls::ProtocolVersion;

/// A handshake that somebody began with us (`in`), or we with somebody (`out`), and the version that was agreed; none
/// where nothing came about.
pub fn shaken(direction: &'static str, version: Option<ProtocolVersion>) {
    let version = match version {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "failed",
    };
    metrics::counter!("relent_tls_handshakes_total", "direction" => direction, "version" => version)
        .increment(1);
}
