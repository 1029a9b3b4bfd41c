//! The demo's small world: a temporary folder, a name server, a receiving mail server, and the real
//! daemon as a process of its own, all on loopback.

use super::receiver::Receiver;
use crate::config::Tls;
use crate::dns::{NameServer, Rdata};
use crate::tls;
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for the daemon to open its listeners.
const START_MAX: Duration = Duration::from_secs(20);

/// The small world. Its processes end when it is dropped.
pub(crate) struct Lab {
    pub(crate) folder: PathBuf,
    pub(crate) receiver: Receiver,
    pub(crate) ports: Ports,
    _names: NameServer,
    daemon: Child,
    program: PathBuf,
}

/// The ports that the daemon bound, read from `ports.json`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Ports {
    pub(crate) submission: Vec<u16>,
    pub(crate) submissions: Vec<u16>,
    pub(crate) inbound: Vec<u16>,
    pub(crate) http: Vec<u16>,
}

impl Lab {
    /// Starts everything in `folder`.
    pub(crate) async fn start(folder: PathBuf) -> Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let certificate = tls::Server::load(&Tls::default(), &folder, "mx.reader.example")?;
        let receiver = Receiver::start(loopback, Some(certificate.acceptor())).await?;
        let names = NameServer::start(
            loopback,
            &[
                ("reader.example".into(), Rdata::Mx(10, "mx.reader.example".into())),
                ("mx.reader.example".into(), Rdata::A(Ipv4Addr::LOCALHOST)),
                ("acme.example".into(), Rdata::Mx(10, "mx.reader.example".into())),
            ],
        )?;
        let settings = settings(&folder, names.address(), receiver.address().port());
        std::fs::write(folder.join("relent.toml"), settings)?;
        let program = std::env::current_exe()?;
        let daemon = start_daemon(&program, &folder).await?;
        let ports = serde_json::from_slice(&std::fs::read(folder.join("data/ports.json"))?)?;
        Ok(Self { folder, receiver, ports, _names: names, daemon, program })
    }

    /// Runs a verb of the command line as the operator would.
    pub(crate) async fn relent(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("relent.toml"))
            .output()
            .await?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code().unwrap_or(-1), text))
    }

    /// As [`Lab::relent`], for a verb that must succeed.
    pub(crate) async fn done(&self, arguments: &[&str]) -> Result<String> {
        let (code, text) = self.relent(arguments).await?;
        ensure!(code == 0, "`relent {}` ended {code}: {text}", arguments.join(" "));
        Ok(text)
    }

    /// Waits until the daemon is stopped from outside.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        self.daemon.wait().await?;
        Ok(())
    }

    /// Stops the daemon as systemd would and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(id) = self.daemon.id().and_then(|id| i32::try_from(id).ok())
            && let Some(process) = rustix::process::Pid::from_raw(id)
        {
            rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        }
        let status = self.daemon.wait().await?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }
}

fn settings(folder: &Path, names: SocketAddr, port: u16) -> String {
    let data = folder.join("data");
    let admin = folder.join("admin.sock");
    format!(
        r#"hostname = "relay.relent.example"
data_dir = "{}"

[listen]
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
inbound = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]
admin = "{}"

[dns]
nameservers = ["{names}"]

[delivery]
port = {port}
allow_private = true

[queue]
retry_delays = ["2s"]

[replies]
domain = "reply.relent.example"
"#,
        data.display(),
        admin.display()
    )
}

async fn start_daemon(program: &Path, folder: &Path) -> Result<Child> {
    let log = std::fs::File::create(folder.join("relent.log"))?;
    let mut daemon = Command::new(program)
        .arg("serve")
        .arg("--config")
        .arg(folder.join("relent.toml"))
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the daemon")?;
    let out = daemon.stdout.take().context("the daemon has no standard output")?;
    let mut lines = BufReader::new(out).lines();
    let first = tokio::time::timeout(START_MAX, lines.next_line()).await??;
    if first.as_deref() != Some("ready") {
        let log = std::fs::read_to_string(folder.join("relent.log")).unwrap_or_default();
        anyhow::bail!("the daemon did not start:\n{log}");
    }
    Ok(daemon)
}
