//! Keys that systemd hands over (`LoadCredential=`): they are named in the settings, and lie where the service
//! alone finds them.

use crate::support::World;
use crate::support::certificates::Authority;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::process::Command;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The greeting on the port for implicit TLS, from a relay that this authority vouches for.
async fn greeting(world: &World, authority: &Authority) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", world.ports.submissions[0])).await?;
    let name = ServerName::try_from("relay.relent.example").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await?;
    Ok(String::from_utf8_lossy(&greeting).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_systemd_hands_over_is_used_and_needed() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    let authority = Authority::new("Test");
    let (certificate, key) = authority.issue(&["relay.relent.example"]).pem();
    let handed = tempfile::tempdir().expect("a folder of its own");
    std::fs::write(handed.path().join("relent.key"), key).expect("a key");
    std::fs::write(world.path("certificate.pem"), certificate).expect("a certificate");
    let settings = std::fs::read_to_string(world.path("relent.toml")).expect("settings");
    let certificate = world.path("certificate.pem").display().to_string();
    let tls = format!("[tls]\ncertificate = {certificate:?}\nkey = \"credential:relent.key\"\n");
    std::fs::write(world.path("relent.toml"), settings + &tls).expect("settings");

    let said = world.done(&["check"]);
    assert!(
        said.err.contains("tls.key: `credential:relent.key` is handed over when"),
        "{}",
        said.err
    );
    assert!(!world.try_launch(&[], &[]), "nobody handed it over");
    let _ = world.end(crate::support::PATIENCE);
    let log = world.log();
    assert!(log.contains("tls.key: `credential:relent.key` was not handed over"), "{log}");
    assert!(log.contains("LoadCredential=relent.key:"), "{log}");

    let folder = handed.path().display().to_string();
    world.launch(&[("CREDENTIALS_DIRECTORY", &folder)]);
    assert_eq!(greeting(&world, &authority).await.expect("a handshake"), "220");
    assert!(greeting(&world, &Authority::new("Other")).await.is_err());
}

/// A file system that lies over a folder; gone when dropped.
struct Over(std::path::PathBuf);

impl Over {
    /// `None` where this machine or user may not mount one.
    fn mount(folder: std::path::PathBuf) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "relent-test"]).arg(&folder);
        mount.output().is_ok_and(|done| done.status.success()).then(|| Self(folder))
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_anew_is_taken_by_a_reload_and_reached_from_the_sandbox() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    // Apart from the settings, whose folder is within reach anyway.
    let home = tempfile::tempdir().expect("a folder of its own");
    let handed = home.path().join("credentials/relent.service");
    std::fs::create_dir_all(&handed).expect("a folder");
    let hand_over = |authority: &Authority| {
        let (certificate, key) = authority.issue(&["relay.relent.example"]).pem();
        std::fs::write(handed.join("certificate.pem"), certificate).expect("a certificate");
        std::fs::write(handed.join("key.pem"), key).expect("a key");
    };
    let (first, second) = (Authority::new("First"), Authority::new("Second"));
    hand_over(&first);
    let settings = std::fs::read_to_string(world.path("relent.toml")).expect("settings");
    // Only a reload looks at them.
    let tls = "[tls]\ncertificate = \"credential:certificate.pem\"\nkey = \"credential:key.pem\"\n\
               look_interval = \"1h\"\n";
    std::fs::write(world.path("relent.toml"), settings + tls).expect("settings");
    let folder = handed.display().to_string();
    world.launch(&[("CREDENTIALS_DIRECTORY", &folder)]);
    assert_eq!(greeting(&world, &first).await.expect("a handshake"), "220");
    // As systemd does where a unit says RefreshOnReload=credentials.
    let Some(over) = Over::mount(handed.clone()) else {
        eprintln!("NOT TESTED: no file system can be mounted here");
        return;
    };
    hand_over(&second);
    assert!(world.done(&["reload"]).out.contains("the certificate was read anew"));
    assert_eq!(greeting(&world, &second).await.expect("a handshake"), "220");
    world.stop();
    drop(over);
}
