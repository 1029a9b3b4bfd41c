//! TLS scanners against every listener: testssl.sh and sslyze find nothing of medium weight or more.

use crate::support::World;
use crate::support::certificates::Authority;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const RELAY: &str = "relay.relent.example";
/// Where `tests/run` installs it.
const SSLYZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sslyze/bin/sslyze");
/// Weights of testssl.sh that fail.
const HEAVY: [&str; 3] = ["MEDIUM", "HIGH", "CRITICAL"];
/// A daemon with a certificate as an authority on the web gives it, on every kind of listener.
async fn world() -> (World, PathBuf) {
    let authority = Authority::new("Lab");
    let world = World::under(|world| {
        let (chain, key) = authority.issue_for_days(&[RELAY], 80).pem();
        std::fs::write(world.path("c.pem"), chain).expect("written");
        std::fs::write(world.path("k.pem"), key).expect("written");
        std::fs::write(world.path("ca.pem"), authority.pem()).expect("written");
        let (certificate, key) = (world.path("c.pem"), world.path("k.pem"));
        let more = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
        let listen = "http = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]";
        world.settings("", &more).replacen("http = [\"127.0.0.1:0\"]", listen, 1)
    })
    .await;
    let anchors = world.path("ca.pem");
    (world, anchors)
}

/// Every listener of TLS: its name, its port, whether TLS begins with a command.
fn listeners(world: &World) -> [(&'static str, u16, bool); 4] {
    let ports = &world.ports;
    [
        ("submission", ports.submission[0], true),
        ("submissions", ports.submissions[0], false),
        ("inbound", ports.inbound[0], true),
        ("https", ports.https[0], false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn sslyze_finds_what_mozilla_asks_for() {
    if !Path::new(SSLYZE).exists() {
        eprintln!("NOT TESTED: sslyze is not there; tests/run installs it");
        return;
    }
    let (world, anchors) = world().await;
    for (name, port, is_begun) in listeners(&world) {
        let file = world.path(&format!("sslyze-{name}.json"));
        let mut command = Command::new(SSLYZE);
        command
            .args(["--sni", RELAY, "--mozilla_config", "intermediate", "--certinfo", "--reneg"])
            .args(["--heartbleed", "--openssl_ccs", "--robot", "--fallback", "--compression"])
            .args(["--early_data", "--ems", "--elliptic_curves", "--resum"])
            .arg("--certinfo_ca_file")
            .arg(&anchors)
            .arg(format!("--json_out={}", file.display()));
        if is_begun {
            command.args(["--starttls", "smtp"]);
        }
        let output = command.arg(format!("127.0.0.1:{port}")).output().expect("sslyze runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("OK - Compliant"), "{name}: {said}");
        let text = std::fs::read(&file).expect("what was found");
        let found: Value = serde_json::from_slice(&text).expect("JSON");
        let found = &found["server_scan_results"][0]["scan_result"];
        for (scan, fault, expected) in [
            ("ssl_2_0_cipher_suites", "/is_tls_version_supported", false),
            ("ssl_3_0_cipher_suites", "/is_tls_version_supported", false),
            ("tls_1_0_cipher_suites", "/is_tls_version_supported", false),
            ("tls_1_1_cipher_suites", "/is_tls_version_supported", false),
            ("tls_1_2_cipher_suites", "/is_tls_version_supported", true),
            ("tls_1_3_cipher_suites", "/is_tls_version_supported", true),
            ("heartbleed", "/is_vulnerable_to_heartbleed", false),
            ("openssl_ccs_injection", "/is_vulnerable_to_ccs_injection", false),
            ("tls_compression", "/supports_compression", false),
            ("tls_1_3_early_data", "/supports_early_data", false),
            ("tls_fallback_scsv", "/supports_fallback_scsv", true),
            ("tls_extended_master_secret", "/supports_ems_extension", true),
            ("session_renegotiation", "/is_vulnerable_to_client_renegotiation_dos", false),
            ("session_renegotiation", "/supports_secure_renegotiation", true),
        ] {
            // Which the scanner itself cannot ask after STARTTLS.
            if is_begun && scan == "tls_1_3_early_data" {
                continue;
            }
            let said = found[scan]["result"].pointer(fault);
            assert_eq!(
                said,
                Some(&Value::Bool(expected)),
                "{name}: {scan}{fault}: {}",
                found[scan]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn testssl_finds_nothing_of_medium_weight_or_more() {
    if Command::new("testssl").arg("--version").output().is_err() {
        eprintln!("NOT TESTED: testssl.sh is not there; tests/run installs it");
        return;
    }
    let (world, anchors) = world().await;
    let scans: Vec<_> = listeners(&world)
        .map(|(name, port, is_begun)| {
            let (file, anchors) = (world.path(&format!("testssl-{name}.json")), anchors.clone());
            let scan = tokio::task::spawn_blocking(move || {
                let mut command = Command::new("testssl");
                command
                    .args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"])
                    .args([
                        "--ip",
                        "127.0.0.1",
                        "--protocols",
                        "--std",
                        "--fs",
                        "--server-defaults",
                    ])
                    .args(["--server-preference", "--headers", "--vulnerable"])
                    .arg("--add-ca")
                    .arg(anchors)
                    .arg("--jsonfile")
                    .arg(&file);
                if is_begun {
                    command.args(["--starttls", "smtp"]);
                }
                let output = command.arg(format!("{RELAY}:{port}")).output().expect("testssl runs");
                (std::fs::read(&file).unwrap_or_default(), output)
            });
            (name, is_begun, scan)
        })
        .into_iter()
        .collect();
    for (name, is_begun, scan) in scans {
        let (text, output) = scan.await.expect("it ran");
        let said = String::from_utf8_lossy(&output.stdout);
        let found: Vec<Value> =
            serde_json::from_slice(&text).unwrap_or_else(|fault| panic!("{name}: {fault}: {said}"));
        let of = |id: &str| {
            let mut all = found.iter().filter(|one| one["id"] == id);
            all.next().map(|one| one["severity"].as_str().unwrap_or_default().to_owned())
        };
        // It looked, and saw a server of TLS: nothing found is not nothing looked for.
        for id in
            ["TLS1_2", "TLS1_3", "heartbleed", "secure_client_renego", "cert_expirationStatus"]
        {
            let weight = of(id);
            assert!(weight.as_deref().is_some_and(|weight| weight == "OK"), "{name}: {id}: {said}");
        }
        if is_begun {
            let injection = of("starttls_injection");
            assert!(injection.is_none_or(|weight| weight == "OK"), "{name}: {said}");
        }
        for one in &found {
            let weight = one["severity"].as_str().unwrap_or_default();
            assert!(!HEAVY.contains(&weight), "{name}: {one}");
        }
    }
}
