//! What stops the daemon from starting: each is said in one line with what to do, has its exit code, and
//! leaves the data folder as it was.

use crate::support::{PATIENCE, Said, World, as_nobody, program, said};
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A new start may find it otherwise.
const NOT_NOW: i32 = 1;
/// Somebody must mend it.
pub const MEND: i32 = 2;

/// What lies in a folder: of each file its mode, owner and digest.
fn digest(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, about) = (entry.path(), entry.metadata().expect("a look"));
            let mut sum = Context::new(&SHA256);
            if about.is_dir() {
                folders.push(path.clone());
            } else if about.is_file() {
                sum.update(&std::fs::read(&path).expect("read"));
            }
            let sum = data_encoding::HEXLOWER.encode(sum.finish().as_ref());
            found.insert(path, format!("{:o} {} {sum}", about.mode(), about.uid()));
        }
    }
    found
}

/// Runs `serve`, which must end by itself.
fn serve(mut command: Command, settings: &Path) -> Said {
    command.args(["serve", "--config"]).arg(settings);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("NOTIFY_SOCKET")
        .spawn()
        .expect("the daemon starts");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("a look").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let said = said(child.wait_with_output().expect("an end"));
            panic!("it runs: {}{}", said.out, said.err);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    said(child.wait_with_output().expect("an end"))
}

/// A world whose daemon is stopped.
pub struct Stopped(pub World);

impl Stopped {
    pub async fn new() -> Self {
        let mut world = World::start().await;
        assert_eq!(world.stop(), 0);
        Self(world)
    }

    fn data(&self) -> PathBuf {
        self.0.path("data")
    }

    fn settings(&self) -> PathBuf {
        self.0.path("relent.toml")
    }

    /// Starts it with the settings changed so: it must end with this code, say this in one line, and touch
    /// nothing. Gives the settings back.
    pub fn refuses(&self, change: (&str, &str), code: i32, words: &[&str]) -> Said {
        let text = std::fs::read_to_string(self.settings()).expect("settings");
        assert!(text.contains(change.0), "no `{}` in {text}", change.0);
        std::fs::write(self.settings(), text.replacen(change.0, change.1, 1)).expect("settings");
        let before = digest(&self.data());
        let said = serve(Command::new(program()), &self.settings());
        let changed = digest(&self.data());
        std::fs::write(self.settings(), text).expect("settings");
        assert_eq!(said.code, code, "{}{}", said.out, said.err);
        is_one_line(&said, words);
        for (path, sum) in &before {
            assert_eq!(
                changed.get(path),
                Some(sum),
                "{} was touched: {}",
                path.display(),
                said.err
            );
        }
        let fresh: Vec<_> = changed.keys().filter(|path| !before.contains_key(*path)).collect();
        assert!(fresh.is_empty(), "made: {fresh:?}");
        said
    }

    /// The same with the settings as they are.
    fn is_refused(&self, code: i32, words: &[&str]) -> Said {
        self.refuses(("hostname", "hostname"), code, words)
    }
}

/// Writes another value into the page that says what a folder is.
fn write_page(page: &Path, key: &str, value: serde_json::Value) {
    let text = std::fs::read_to_string(page).expect("the page of the folder");
    let line = text.lines().next().expect("a line");
    let mut kept: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert!(!kept[key].is_null(), "no {key} in {line}");
    kept[key] = value;
    let line = kept.to_string();
    let sum = crc32c::crc32c(line.as_bytes());
    std::fs::write(page, format!("{line}\n{sum:08x}\n")).expect("written");
}

/// The one line about what is wrong: warnings of other things may stand before it.
pub fn is_one_line(said: &Said, words: &[&str]) {
    let last = said.err.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "`{word}` is not said: {}", said.err);
        let lines = said.err.lines().filter(|line| line.contains(word)).count();
        assert!(lines >= 1, "{}", said.err);
    }
    let others = said.err.lines().filter(|line| !line.contains("WARN") && !line.contains("INFO"));
    assert_eq!(others.count(), 1, "more than one line: {}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_named_by_file_line_and_key() {
    let stopped = Stopped::new().await;
    let wrong = ("retry_delays = [\"1s\"]", "retry_delays = [\"soon\"]");
    stopped.refuses(
        wrong,
        MEND,
        &["relent.toml:", "queue.retry_delays: ", "`soon` is not a duration", "as in \"5m\""],
    );
    let unknown = ("[queue]", "[queue]\nexpiri = \"4d\"");
    stopped.refuses(unknown, MEND, &["queue.expiri", "`expiry`", "write one of these"]);
    let none = serve(Command::new(program()), &stopped.0.path("none.toml"));
    assert_eq!(none.code, MEND, "{}", none.err);
    is_one_line(&none, &["none.toml", "--config FILE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_who_has_it() {
    let stopped = Stopped::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let inbound = format!("inbound = [\"{address}\"]");
    let words = ["listen.inbound", "another program listens there", "ss -ltnp"];
    stopped.refuses(("inbound = [\"127.0.0.1:0\"]", &inbound), NOT_NOW, &words);
    let text = std::fs::read_to_string(stopped.settings()).expect("settings");
    let changed = text.replacen("inbound = [\"127.0.0.1:0\"]", &inbound, 1);
    std::fs::write(stopped.settings(), changed).expect("settings");
    let checked = stopped.0.relent(&["check"]);
    assert!(checked.err.contains("another program listens there"), "{}", checked.err);
    let strange = "inbound = [\"198.51.100.7:25\"]";
    std::fs::write(stopped.settings(), text).expect("settings");
    let words = ["listen.inbound", "no address of this machine"];
    stopped.refuses(("inbound = [\"127.0.0.1:0\"]", strange), NOT_NOW, &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_is_named_with_who_must_be_let_in() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another");
        return;
    }
    let stopped = Stopped::new().await;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("its mode");
    let as_nobody = as_nobody(home.path());
    let before = digest(&stopped.data());
    let said = serve(as_nobody(), &stopped.settings());
    assert_eq!(said.code, MEND, "{}", said.err);
    is_one_line(&said, &["data_dir", "belongs to the user `root`", "nobody"]);
    // A folder that is not there, and cannot be made.
    let text = std::fs::read_to_string(stopped.settings()).expect("settings");
    let data = format!("data_dir = \"{}\"", stopped.data().display());
    let locked = home.path().join("locked");
    std::fs::create_dir(&locked).expect("a folder");
    let named = format!("data_dir = \"{}\"", locked.join("data").display());
    std::fs::write(stopped.settings(), text.replace(&data, &named)).expect("settings");
    let said = serve(as_nobody(), &stopped.settings());
    assert_eq!(said.code, MEND, "{}", said.err);
    is_one_line(&said, &["data_dir", "cannot be written", "let the user `nobody`", "chown"]);
    let checked = {
        let mut command = as_nobody();
        command.args(["check", "--config"]).arg(stopped.settings());
        crate::support::said(command.output().expect("check runs"))
    };
    assert!(checked.err.contains("let the user `nobody`"), "{}", checked.err);
    // The folder of the admin socket.
    let open = home.path().join("open");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).expect("its mode");
    let named = format!("data_dir = \"{}\"", open.join("data").display());
    let socket = format!("admin = \"{}\"", locked.join("admin.sock").display());
    let admin = format!("admin = \"{}\"", stopped.0.path("admin.sock").display());
    let changed = text.replace(&data, &named).replace(&admin, &socket);
    std::fs::write(stopped.settings(), changed).expect("settings");
    let said = serve(as_nobody(), &stopped.settings());
    assert_eq!(said.code, MEND, "{}", said.err);
    is_one_line(&said, &["listen.admin", "cannot be written", "let the user `nobody`"]);
    assert!(!open.join("data").exists(), "nothing was made");
    assert_eq!(digest(&stopped.data()), before, "nothing was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_in_use_is_left_to_its_daemon() {
    let world = World::start().await;
    let said = serve(Command::new(program()), &world.path("relent.toml"));
    assert_eq!(said.code, NOT_NOW, "{}", said.err);
    is_one_line(&said, &["data_dir", "another process holds", "stop that daemon first"]);
    world.done(&["account", "list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_data_folder_is_left_as_it_is() {
    let stopped = Stopped::new().await;
    let data = format!("data_dir = \"{}\"", stopped.data().display());
    // Something else's.
    let other = stopped.0.path("other");
    std::fs::create_dir_all(other.join("mysql")).expect("folders");
    std::fs::write(other.join("ibdata1"), "precious").expect("a file");
    let named = format!("data_dir = \"{}\"", other.display());
    let before = digest(&other);
    stopped.refuses(
        (&data, &named),
        MEND,
        &["data_dir", "not Relent's (ibdata1, mysql)", "empty folder"],
    );
    assert_eq!(digest(&other), before, "nothing was touched");
    // A later version's, and another engine's.
    let page = stopped.data().join("installation");
    let text = std::fs::read_to_string(&page).expect("the page of the folder");
    for (key, value, words) in [
        ("layout", 7.into(), &["layout 7", "install that version"][..]),
        ("engine", "other".into(), &["records of the engine \"other\"", "under [store]"]),
    ] {
        std::fs::write(&page, &text).expect("written");
        write_page(&page, key, value);
        stopped.is_refused(MEND, words);
        let checked = stopped.0.relent(&["check"]);
        assert!(checked.code == 1 && checked.err.contains(words[0]), "{}", checked.err);
    }
    std::fs::write(&page, &text).expect("written");
    // The records of another installation beside this one's mail.
    let stranger = Stopped::new().await;
    let records = match crate::support::engine().as_str() {
        "sled" => return,
        _ => "records.redb",
    };
    std::fs::copy(stranger.data().join(records), stopped.data().join(records)).expect("a copy");
    let before = std::fs::read(stopped.data().join("spool/salt")).expect("the salt");
    let said = serve(Command::new(program()), &stopped.settings());
    assert_eq!(said.code, MEND, "{}", said.err);
    is_one_line(&said, &["data_dir", "another installation's", "from a backup"]);
    assert_eq!(std::fs::read(stopped.data().join("spool/salt")).expect("the salt"), before);
    // Another user's.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(stranger.data(), Some(65534), None).expect("given away");
        stranger.is_refused(MEND, &["belongs to the user `nobody`", "user = \"nobody\""]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_serve_is_named_with_its_key() {
    let stopped = Stopped::new().await;
    let made = |name: &str| {
        let pair = rcgen::generate_simple_self_signed(vec![name.into()]).expect("a pair");
        let (certificate, key) =
            (stopped.0.path("one.pem"), stopped.0.path(&format!("{name}.key")));
        std::fs::write(&certificate, pair.cert.pem()).expect("written");
        std::fs::write(&key, pair.signing_key.serialize_pem()).expect("written");
        (certificate, key)
    };
    let (_, strange) = made("strange.example");
    let (certificate, _) = made("relay.relent.example");
    let section = format!("[tls]\ncertificate = {certificate:?}\nkey = {strange:?}\n[submission]");
    let words = ["relent.toml:", "tls.key", "does not fit"];
    stopped.refuses(("[submission]", &section), MEND, &words);
    let section = format!("[tls]\ncertificate = \"/nowhere.pem\"\nkey = {strange:?}\n[submission]");
    stopped.refuses(("[submission]", &section), MEND, &["tls.certificate", "/nowhere.pem"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_what_was_written_is_said_and_nothing_is_lost() {
    let mut stopped = Stopped::new().await;
    let page = stopped.data().join("installation");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis();
    let later = u64::try_from(now).expect("a moment") + 86_400_000;
    write_page(&page, "seen", later.into());
    let checked = stopped.0.relent(&["check"]);
    assert!(checked.code == 0 && checked.err.contains("it stands behind by"), "{}", checked.err);
    stopped.0.launch(&[]);
    let log = stopped.0.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("it stands behind by")).collect();
    assert!(lines.len() == 1 && lines[0].contains("timedatectl"), "{lines:?}");
    stopped.0.done(&["account", "list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_any_room_is_said_and_the_folder_stays() {
    let home = tempfile::tempdir().expect("a folder");
    let disk = home.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "relent-test"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|done| done.status.success()) {
        eprintln!("NOT TESTED: no file system may be mounted here");
        return;
    }
    let data = disk.join("data");
    std::fs::create_dir(&data).expect("a folder");
    let mut rest = std::fs::File::create(disk.join("filler")).expect("a file");
    while std::io::Write::write_all(&mut rest, &[7; 4096]).is_ok() {}
    let settings = home.path().join("relent.toml");
    let text = format!(
        "data_dir = {data:?}\n[listen]\nsubmission = []\nsubmissions = []\ninbound = []\nhttp = []\n\
         admin = {:?}\n",
        home.path().join("admin.sock")
    );
    std::fs::write(&settings, text).expect("settings");
    let said = serve(Command::new(program()), &settings);
    let checked = Command::new(program()).args(["check", "--config"]).arg(&settings).output();
    let left = digest(&data);
    let _ = Command::new("umount").arg("-l").arg(&disk).output();
    assert_eq!(said.code, NOT_NOW, "{}{}", said.out, said.err);
    assert!(said.err.contains("make room") || said.err.contains("No space left"), "{}", said.err);
    let checked = crate::support::said(checked.expect("check runs"));
    assert!(checked.err.contains("no mail is taken until there is room"), "{}", checked.err);
    assert!(left.keys().all(|path| !path.ends_with("installation")), "{left:?}");
}
