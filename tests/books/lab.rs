//! The machine on which a chapter is run: a fresh folder, the real daemon, DNS, one mail server for everybody
//! else, a proxy that speaks TLS before the pages, and a shell that remembers.
//!
//! Three things stand in for those of a real machine: names lead to loopback (`curl` is told so in its own
//! file), `/etc/relent` and `/var/lib/relent` are folders of the lab, and `systemctl` is done by hand.

use super::page::{Block, Item, commands, is_shown};
use crate::journeys::reply_address;
use crate::support::certificates::Authority;
use crate::support::client::Client;
use crate::support::{PATIENCE, World, printed, program};
use relent::demo::receiver::{Fault, Received};
use relent::dns::Rdata;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use toml::{Table, Value};

/// How long one command may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// Ends what a command says; no page says it.
const END: &str = "--end-of-command--";
/// The relay and its hosts, as the books call them.
const RELAY: &str = "relay.example.com";
const PAGES: &str = "mail.example.com";

/// What a page had run.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) commands: usize,
    pub(super) outputs: usize,
    /// Commands that were not run, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

impl Told {
    /// Adds what another part of the page had run.
    pub(super) fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.outputs += other.outputs;
        self.left_out.extend(other.left_out);
    }
}

/// A shell that lives as long as its chapter.
struct Shell {
    process: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Shell {
    fn start(folder: &Path) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut process = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .current_dir(folder.join("home"))
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("HOME", folder.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let mut input = process.stdin.take().expect("its input");
        let output = process.stdout.take().expect("its output");
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { return };
                if said.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        writeln!(input, "exec 2>&1").expect("bash listens");
        Self { process, input, lines }
    }

    /// Runs a command; its exit code, and what it said on both outputs.
    fn run(&mut self, folder: &Path, command: &str) -> (i32, String) {
        let file = folder.join("command.sh");
        std::fs::write(&file, format!("{command}\n")).expect("written");
        // Its input is empty, so that none waits for a person.
        let line = format!(". {} </dev/null; printf '\\n%s %s\\n' {END} $?", file.display());
        writeln!(self.input, "{line}").expect("bash listens");
        let (mut output, deadline) = (String::new(), Instant::now() + COMMAND_MAX);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("`{command}` does not end: {output}"));
            if let Some(code) = line.strip_prefix(END) {
                return (code.trim().parse().expect("an exit code"), output);
            }
            output.push_str(&line);
            output.push('\n');
        }
    }
}

/// What the notes before a block say of it.
#[derive(Default)]
struct Wishes {
    not_run: Option<String>,
    exits: Option<i32>,
    in_the_end: bool,
    file: Option<String>,
    settings: Taken,
    no_settings: bool,
}

/// How the settings of a page reach the daemon.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// They are only read.
    #[default]
    No,
    /// It is started anew with them.
    Restart,
    /// They stand in its file, and a reload is the page's own.
    Reload,
    /// So they do though they are wrong.
    Wrong,
}

pub(super) struct Lab {
    world: World,
    shell: Shell,
    settings: Table,
    published: Vec<(String, Rdata)>,
    proxy: JoinHandle<()>,
    /// Where the proxy is, which keeps its port when the daemon does not.
    secure: u16,
    told: Told,
    /// How many mails of each address notes have waited for.
    seen: HashMap<String, usize>,
    /// What the last shell block said.
    said: Option<String>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// Commands that are for the machine and not for Relent: what they begin with, and what they would do here.
const MACHINE: [(&str, &str); 11] = [
    ("apt-get ", "it installs packages"),
    ("dpkg ", "it installs packages"),
    ("install ", "it writes into the system's folders"),
    ("chgrp ", "it changes whose the system's files are"),
    ("sed -i ", "it changes the system's files"),
    ("systemd-sysusers ", "it makes users"),
    ("systemd-tmpfiles ", "it makes the system's folders"),
    ("systemctl edit ", "it changes what the system starts"),
    ("systemctl enable ", "it changes what the system starts"),
    ("systemctl restart relent.socket", "it opens ports of the system"),
    ("packaging/", "it builds a release"),
];

/// Why a command is not run here, where it is for the machine.
fn changes_machine(command: &str) -> Option<&'static str> {
    let found = MACHINE.iter().find(|(begins, _)| command.starts_with(begins));
    found.map(|(_, reason)| *reason)
}

/// What every lab must have in its settings, whatever the page says.
fn own_settings(world: &World) -> Table {
    let path = |name: &str| world.path(name).display().to_string();
    let text = format!(
        "hostname = \"{RELAY}\"\ndata_dir = {data:?}\n\
         [listen]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
         inbound = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nadmin = {admin:?}\n\
         [tls]\ncertificate = {chain:?}\nkey = {key:?}\n\
         [dns]\nnameservers = [\"{names}\"]\ntimeout = \"20s\"\nlookups_timeout = \"1m\"\ncache_ttl_max = \"0s\"\n\
         [delivery]\nport = {port}\nallow_private = true\n\
         [replies]\ndomain = \"reply.example.com\"\n[http]\npublic_url = \"https://{PAGES}\"\n\
         [queue]\nretry_delays = [\"1s\"]\n[mta_sts]\nenabled = false\n[webhooks]\nallow_private = true\n",
        data = path("data"),
        admin = path("admin.sock"),
        chain = path("relay.pem"),
        key = path("relay.key"),
        names = world.names_at(),
        port = world.receiver.address().port(),
    );
    text.parse().expect("TOML")
}

/// Lays one table over another; what is said above wins.
fn lay(below: &mut Table, above: &Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Lab {
    pub(super) async fn open() -> Self {
        let authority = Authority::new("Books");
        let identity = authority.issue(&[RELAY, PAGES]);
        let (chain, key) = identity.pem();
        let mut settings = Table::new();
        let world = World::under(|world| {
            std::fs::write(world.path("authority.pem"), authority.pem()).expect("written");
            std::fs::write(world.path("relay.pem"), chain).expect("written");
            std::fs::write(world.path("relay.key"), key).expect("written");
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(world.path("relay.key"), mode).expect("its mode");
            settings = own_settings(world);
            settings.to_string()
        })
        .await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let secure = listener.local_addr().expect("bound").port();
        let ports = world.path("data/ports.json");
        let acceptor = identity.acceptor();
        let proxy = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, ports) = (acceptor.clone(), ports.clone());
                tokio::spawn(async move {
                    let ports = std::fs::read(ports).expect("the daemon runs");
                    let ports: serde_json::Value = serde_json::from_slice(&ports).expect("JSON");
                    let port = ports["http"][0].as_u64().expect("a port");
                    let port = u16::try_from(port).expect("a port");
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let within = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    let Ok(mut within) = within else { return };
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut within).await;
                });
            }
        });
        let folder = world.folder.path().to_owned();
        for name in ["home", "bin"] {
            std::fs::create_dir(folder.join(name)).expect("a folder");
        }
        let relent = folder.join("bin/relent");
        let script = format!(
            "#!/bin/sh\nexec {:?} --config {:?} \"$@\"\n",
            program(),
            world.path("relent.toml")
        );
        std::fs::write(&relent, script).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&relent, mode).expect("its mode");
        let shell = Shell::start(&folder);
        let lab = Self {
            world,
            shell,
            settings,
            published: Vec::new(),
            proxy,
            secure,
            told: Told::default(),
            seen: HashMap::new(),
            said: None,
        };
        lab.direct();
        lab
    }

    /// Tells curl where the names of the books lead.
    fn direct(&self) {
        let at = |host: &str, port: u16, here: u16| {
            format!("connect-to = \"{host}:{port}:127.0.0.1:{here}\"\n")
        };
        let ports = &self.world.ports;
        let text = format!(
            "silent\nshow-error\ncacert = {:?}\n{}{}{}{}",
            self.world.path("authority.pem"),
            at(PAGES, 443, self.secure),
            at(RELAY, 587, ports.submission[0]),
            at(RELAY, 465, ports.submissions[0]),
            at(RELAY, 25, ports.inbound[0]),
        );
        std::fs::write(self.world.path("home/.curlrc"), text).expect("written");
    }

    /// Runs a page from its beginning to its end.
    pub(super) async fn tell(mut self, name: &str, items: &[Item]) -> Told {
        let mut wishes = Wishes::default();
        for item in items {
            match item {
                Item::Section => {}
                Item::Note(note) => self.note(name, note, &mut wishes).await,
                Item::Block(block) => {
                    let place = format!("{name}:{}", block.line);
                    let wishes = std::mem::take(&mut wishes);
                    tokio::task::block_in_place(|| self.block(&place, block, &wishes));
                    if wishes.in_the_end {
                        assert_eq!(block.language, "sh", "{place}: only commands are repeated");
                    }
                }
            }
        }
        std::mem::take(&mut self.told)
    }

    async fn note(&mut self, name: &str, note: &str, wishes: &mut Wishes) {
        let words: Vec<&str> = note.split(' ').collect();
        match words[..] {
            ["not", "run:", ..] => {
                wishes.not_run = Some(note.trim_start_matches("not run: ").to_owned());
            }
            ["exits", code] => wishes.exits = code.parse().ok(),
            ["in", "the", "end"] => wishes.in_the_end = true,
            ["file", file] => wishes.file = Some(file.to_owned()),
            ["settings"] => wishes.settings = Taken::Restart,
            ["settings", "to", "reload"] => wishes.settings = Taken::Reload,
            ["wrong", "settings"] => wishes.settings = Taken::Wrong,
            ["no", "settings"] => wishes.no_settings = true,
            ["acme", "is", "set", "up"] => {
                self.world.furnish();
                let line = format!("PASSWORD={}", self.world.password);
                self.shell.run(self.world.folder.path(), &line);
            }
            ["publish", account, domain] => self.publish(account, domain),
            ["mail", "for", address, "arrives" | "arrives,", ref signed @ ..] => {
                let mail = self.arrives(name, address).await;
                if let ["signed", "by", domain] = signed[..] {
                    let text = String::from_utf8_lossy(&mail.message);
                    let by = text.matches(&format!("d={domain};")).count();
                    assert_eq!(by, 2, "{name}: two signatures of {domain}: {text}");
                }
            }
            [address, "answers:", ..] => {
                let text = note.split_once("answers: ").expect("its words").1;
                self.answer(address, text).await;
            }
            ["mail", "servers", "refuse", part, "with", ..] => {
                let line = note.split_once(" with ").expect("a reply").1;
                let fault = Fault::Recipient(part.to_owned(), line.to_owned());
                self.world.receiver.misbehave(vec![fault]);
            }
            ["every", "file", "is", "named", "above"] => self.every_file_is_named(name),
            ["mail", "servers", "behave"] => self.world.receiver.misbehave(Vec::new()),
            _ => panic!("{name}: the runner knows no note `{note}`: docs/README.md lists them"),
        }
    }

    /// Whether a page names each file of the data folder, those of a number by `*`.
    fn every_file_is_named(&self, name: &str) {
        let (page, data) = (super::read(name), self.world.path("data"));
        let mut folders = vec![data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let within = path.strip_prefix(&data).expect("below it").display().to_string();
                let number = within.find(|c: char| c.is_ascii_digit()).unwrap_or(within.len());
                let end = within.rfind('.').filter(|end| *end > number).unwrap_or(number);
                let named = match number == within.len() {
                    true => within.clone(),
                    false => format!("{}*{}", &within[..number], &within[end..]),
                };
                assert!(page.contains(&format!("`{named}`")), "{name} does not name {within}");
            }
        }
    }

    /// Publishes what `relent domain show` prints.
    fn publish(&mut self, account: &str, domain: &str) {
        let shown = self.world.done(&["domain", "show", account, domain, "--json"]).json();
        self.published.extend(printed(&shown));
        self.world.publish(&self.published);
    }

    /// The next mail for an address: one that no note has waited for yet.
    async fn arrives(&mut self, name: &str, address: &str) -> Received {
        let seen = self.seen.entry(address.to_owned()).or_default();
        let is_for = |mail: &&Received| mail.recipients.iter().any(|to| to == address);
        let came =
            self.world.receiver.wait(PATIENCE, |all| all.iter().filter(is_for).count() > *seen);
        let all = came.await;
        let all = all.unwrap_or_else(|| panic!("{name}: nothing came for {address}"));
        *seen += 1;
        let mail = all.iter().filter(is_for).nth(*seen - 1).expect("counted above");
        mail.clone()
    }

    /// A person answers the mail that came last.
    async fn answer(&mut self, address: &str, text: &str) {
        let came = self.world.receiver.message_to(address, PATIENCE).await;
        let mail = came.unwrap_or_else(|| panic!("nothing came for {address}"));
        let to = reply_address(&mail);
        let message = format!(
            "From: <{address}>\r\nTo: <{to}>\r\nSubject: Re: News\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        );
        let mut mx = Client::connect(self.world.ports.inbound[0]);
        mx.say("EHLO mx.reader.example");
        let reply = mx.submit(address, &[&to], &message);
        assert!(reply.starts_with("250"), "{reply}");
    }

    fn block(&mut self, place: &str, block: &Block, wishes: &Wishes) {
        if let Some(file) = &wishes.file {
            let path = match file.strip_prefix("/etc/relent/") {
                Some(name) => self.world.path(name),
                None => self.world.path("home").join(file),
            };
            std::fs::write(path, &block.text).expect("written");
            return;
        }
        match block.language.as_str() {
            "sh" => self.commands(place, block, wishes),
            "text" => {
                if let Some(said) = self.said.take() {
                    let fits = is_shown(&block.text, &said);
                    assert!(fits, "{place}: shown is\n{}\nand said was\n{said}", block.text);
                    self.told.outputs += 1;
                }
                return;
            }
            "toml" if !wishes.no_settings => self.set(place, &block.text, wishes.settings),
            "dns" => self.zone(place, &block.text),
            _ => {}
        }
        if block.language != "sh" {
            self.said = None;
        }
    }

    fn commands(&mut self, place: &str, block: &Block, wishes: &Wishes) {
        self.said = None;
        let commands = commands(&block.text);
        if let Some(reason) = &wishes.not_run {
            let left = commands.into_iter().map(|command| (command, reason.clone()));
            self.told.left_out.extend(left);
            return;
        }
        let (mut said, last) = (String::new(), commands.len().saturating_sub(1));
        for (number, command) in commands.iter().enumerate() {
            if let Some(reason) = changes_machine(command) {
                self.told.left_out.push((command.clone(), reason.to_owned()));
                continue;
            }
            let wanted = wishes.exits.filter(|_| number == last).unwrap_or(0);
            let deadline = Instant::now() + PATIENCE;
            let output = loop {
                let (code, output) = self.run(command);
                if code == wanted && !wishes.in_the_end {
                    break output;
                }
                // What comes about by itself is asked for until it has.
                let shown = wishes.in_the_end && code == wanted && self.is_next(place, &output);
                if shown {
                    break output;
                }
                let late = Instant::now() > deadline;
                assert!(
                    wishes.in_the_end && !late,
                    "{place}: `{command}` ended {code}, not {wanted}:\n{output}\n{}",
                    self.world.log()
                );
                std::thread::yield_now();
            };
            said.push_str(&output);
            self.told.commands += 1;
        }
        self.said = Some(said);
    }

    /// Whether the output is the one that the page shows next.
    fn is_next(&self, place: &str, output: &str) -> bool {
        let (name, line) = place.rsplit_once(':').expect("a page and a line");
        let line: usize = line.parse().expect("a line");
        let items = super::page::items(&super::read(name));
        let next = items.iter().find_map(|item| match item {
            Item::Block(block) if block.line > line => Some(block),
            _ => None,
        });
        let next = next.filter(|block| block.language == "text");
        next.is_some_and(|block| is_shown(&block.text, output))
    }

    /// Runs one command; what it says names the places of a real machine again.
    fn run(&mut self, command: &str) -> (i32, String) {
        let words: Vec<&str> = command.split_whitespace().collect();
        if let ["systemctl", verb, "relent", ..] = words[..] {
            return self.manage(verb);
        }
        let folder = self.world.folder.path().to_owned();
        let (data, whole) = (folder.join("data"), folder.display().to_string());
        let data = data.display().to_string();
        let here = command.replace("/var/lib/relent", &data).replace("/etc/relent", &whole);
        let (code, output) = self.shell.run(&folder, &here);
        (code, output.replace(&data, "/var/lib/relent").replace(&whole, "/etc/relent"))
    }

    /// Does what the service manager would.
    fn manage(&mut self, verb: &str) -> (i32, String) {
        let stop = |world: &mut World| assert_eq!(world.stop(), 0, "{}", world.log());
        match verb {
            "stop" => stop(&mut self.world),
            "start" => self.world.launch(&[]),
            "restart" => {
                stop(&mut self.world);
                self.world.launch(&[]);
            }
            "reload" => self.world.hang_up(),
            _ => panic!("the lab has no `systemctl {verb}`"),
        }
        if verb != "stop" && verb != "reload" {
            self.direct();
        }
        (0, String::new())
    }

    /// Settings of a page: taken as they stand where the page says so, and else only read.
    fn set(&mut self, place: &str, text: &str, taken: Taken) {
        let table: Table = text.parse().unwrap_or_else(|fault| panic!("{place}: {fault}"));
        let (mut all, own) = (self.settings.clone(), own_settings(&self.world));
        lay(&mut all, &table);
        lay(&mut all, &own);
        // Certificates of an authority are for those who have none.
        if let (true, Some(Value::Table(tls))) = (table.contains_key("acme"), all.get_mut("tls")) {
            tls.retain(|key, _| key != "certificate" && key != "key");
        }
        let file = self.world.path(if taken == Taken::No { "tried.toml" } else { "relent.toml" });
        std::fs::write(&file, all.to_string()).expect("written");
        if taken == Taken::Wrong {
            return;
        }
        let name = file.display().to_string();
        let (code, said) = self.run(&format!("{:?} check --config {name}", program()));
        assert_eq!(code, 0, "{place}: {said}");
        if taken != Taken::No {
            self.settings = all;
        }
        if taken == Taken::Restart {
            self.manage("restart");
        }
    }

    /// Publishes the records of a block in the form of a zone file; addresses of the books are loopback here.
    fn zone(&mut self, place: &str, text: &str) {
        for line in text.lines().map(|line| line.split(';').next().unwrap_or_default().trim()) {
            let mut words = line.split_whitespace();
            let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
            let rest = words.collect::<Vec<_>>().join(" ");
            let host = |name: &str| name.trim_end_matches('.').to_owned();
            let data = match kind {
                "A" => Rdata::A(Ipv4Addr::LOCALHOST),
                "TXT" => Rdata::Txt(rest.trim_matches('"').to_owned()),
                "CNAME" => Rdata::Cname(host(&rest)),
                "MX" => {
                    let (preference, to) = rest.split_once(' ').expect("a preference and a host");
                    Rdata::Mx(preference.parse().expect("a number"), host(to))
                }
                // The lab's name server has neither reverse names nor IPv6.
                "PTR" | "AAAA" => continue,
                _ => panic!("{place}: a record of type {kind}"),
            };
            self.published.push((host(name), data));
        }
        self.world.publish(&self.published);
    }
}
