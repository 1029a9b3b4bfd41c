//! Both signatures of a copy, verified by two verifiers that are not ours, with the records that an
//! operator is told to publish: dkimpy and OpenDKIM.

use crate::support::client::Client;
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Received;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const ANN: &str = "ann@reader.example";
const INSTALL: &str = "apt-get install opendkim python3-dkim python3-nacl";
/// Messages in the proof.
const MESSAGES: usize = 1000;
/// Messages that one OpenDKIM reads.
const BATCH: usize = 50;

/// Reads the records and names of files from its input, and prints a line for each file: of each
/// signature its algorithm, whether it holds, and which unsubscribe fields it covers.
const VERIFY: &str = r#"
import dkim, json, sys
given = json.load(sys.stdin)
texts = {r["name"].rstrip(".").lower(): r["value"] for r in given["records"] if r["type"] == "TXT"}
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return texts.get(name.rstrip(".").lower(), "").encode()
for file in given["files"]:
    message = open(file, "rb").read()
    fields = dkim.rfc822_parse(message)[0]
    signed = [i for i, (name, _) in enumerate(n for n in fields if n[0].lower() == b"dkim-signature")]
    said = []
    for index in signed:
        verifier = dkim.DKIM(message)
        try:
            held = verifier.verify(idx=index, dnsfunc=txt)
        except dkim.DKIMException as fault:
            held = fault
        if verifier.domain != b"both.example":
            continue
        names = [n.lower() for n in verifier.include_headers]
        covers = b"list-unsubscribe" in names and b"list-unsubscribe-post" in names
        said.append("%s %s %s" % (verifier.signature_fields[b"a"].decode(), held, covers))
    print(", ".join(sorted(said)))
"#;

const BOTH: &str = "ed25519-sha256 True True, rsa-sha256 True True";

/// Two verifiers, and the records that they see.
struct Judges {
    records: Value,
    folder: PathBuf,
}

impl Judges {
    fn new(world: &World) -> Self {
        let shown = world.done(&["domain", "show", "acme", "both.example", "--json"]).json();
        let folder = world.path("judged");
        std::fs::create_dir_all(&folder).expect("a folder");
        let keys: String = shown["records"]
            .as_array()
            .expect("records")
            .iter()
            .filter(|record| record["purpose"] == "key")
            .map(|record| {
                let text = |key: &str| record[key].as_str().expect("a text").to_owned();
                format!("{} {}\n", text("name"), text("value"))
            })
            .collect();
        std::fs::write(folder.join("keys"), keys).expect("keys");
        let settings = format!("Mode v\nSyslog no\nTestDNSData file:{}/keys\n", folder.display());
        std::fs::write(folder.join("opendkim.conf"), settings).expect("settings");
        Self { records: shown["records"].clone(), folder }
    }

    fn keep(&self, name: &str, message: &[u8]) -> PathBuf {
        let file = self.folder.join(format!("{name}.eml"));
        std::fs::write(&file, message).expect("a message");
        file
    }

    /// What dkimpy says of each message.
    fn dkimpy(&self, files: &[PathBuf]) -> Vec<String> {
        let given = serde_json::json!({ "records": self.records, "files": files });
        let mut python = Command::new("/usr/bin/python3")
            .args(["-c", VERIFY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Debian's python3 runs");
        let mut input = python.stdin.take().expect("its input");
        input.write_all(given.to_string().as_bytes()).expect("written");
        drop(input);
        let output = python.wait_with_output().expect("its end");
        let fault = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{fault} ({INSTALL})");
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().map(str::to_owned).collect()
    }

    /// How many signatures of each algorithm hold in these messages for OpenDKIM, as its
    /// Authentication-Results has it.
    fn opendkim(&self, files: &[PathBuf]) -> (usize, usize) {
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let output = Command::new("/usr/sbin/opendkim")
            .arg("-x")
            .arg(self.folder.join("opendkim.conf"))
            .args(["-vvv", "-t", &names.join(",")])
            .output()
            .unwrap_or_else(|fault| panic!("OpenDKIM does not run: {fault} ({INSTALL})"));
        let said = String::from_utf8_lossy(&output.stdout);
        let holds = |algorithm: &str| {
            let results = said.lines().filter(|line| line.contains("header.d=both.example"));
            let of = results.filter(|line| line.contains(&format!("header.a={algorithm} ")));
            of.filter(|line| line.trim_start().starts_with("dkim=pass")).count()
        };
        (holds("rsa-sha256"), holds("ed25519-sha256"))
    }
}

/// Chance that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// A message: whether it needs SMTPUTF8, its header, its body.
struct Written {
    smtputf8: bool,
    bytes: Vec<u8>,
}

/// One of many messages: each part of it is chosen by its number first, so that all of every kind are met,
/// and by chance then.
fn written(number: usize, dice: &mut Dice) -> Written {
    let names = ["From", "from", "FROM"];
    let from = match dice.below(4) {
        0 => "news@both.example".to_owned(),
        1 => "\"Acme, Inc.\" <news@both.example>".to_owned(),
        2 => "=?utf-8?B?6YKu5Lu2?=\r\n\t<news@both.example>  ".to_owned(),
        _ => "Acme  News\t(the  office) <news@both.example>".to_owned(),
    };
    let mut header =
        format!("{}:{}{from}\r\n", dice.pick(&names), dice.pick(&[" ", "", "\t ", "\r\n "]));
    let subjects = [
        "Subject: Hello\r\n",
        "Subject: a  long\r\n folded   one\r\n\tand more \t\r\n",
        "Subject:\r\n",
        "Subject: \r\n",
        "SUBJECT:no space\r\n",
        "Subject: one\r\nSubject: two\r\n",
        "Subject: =?utf-8?Q?f=C3=BCr?=\r\n =?utf-8?B?6YKu5Lu2?=\r\n",
        "subject:\t tab\tand  spaces   \r\n",
        "",
        "Subject: f\u{fc}r alle \u{90ae}\u{4ef6}\r\n",
        "Subject: :;,<>\"\\ = b=abc; h=From\r\n",
    ];
    let subject = subjects[number % subjects.len()];
    header += subject;
    let others = [
        "",
        "To: ann@reader.example\r\nTo: bob@reader.example\r\n",
        "To: ann@reader.example,\r\n\tbob@reader.example,\r\n  c@reader.example\r\nCc: d@reader.example\r\n",
        "Reply-To: help@both.example\r\nDate: Tue, 24 Nov 2026 09:30:00 +0100 (CET)\r\n",
        "Message-ID: <x.y@both.example>\r\nReferences: <a@b.example>\r\n <c@d.example>\r\n",
        "X-Empty:\r\nX-Empty: \r\nX-Tab:\t\r\nX-Fold:\r\n folded\r\n",
        "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from;\r\n bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n",
        "List-Unsubscribe: <mailto:x@both.example>\r\nList-ID: News <news.both.example>\r\n",
        "Comments: twice\r\nComments: twice\r\nKeywords: a,\r\n\t b\r\n",
    ];
    header += others[number / subjects.len() % others.len()];
    if dice.below(3) == 0 {
        header += &format!("X-Long: {}\r\n", "x".repeat(900 + dice.below(80)));
    }
    let (kind, body) = body(number, dice);
    header += kind;
    header += &format!("X-Number: {number}\r\n");
    let mut bytes = header.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    Written { smtputf8: !subject.is_ascii(), bytes }
}

/// A Content-Type, and what it belongs to. Every line ends in CRLF and has 998 octets at most.
fn body(number: usize, dice: &mut Dice) -> (&'static str, Vec<u8>) {
    let eight = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"a  b\"\r\n";
    let text = |text: &str| ("", text.as_bytes().to_vec());
    match number % 17 {
        0 => text(""),
        1 => text("\r\n"),
        2 => text(&"\r\n".repeat(1 + dice.below(20))),
        3 => text(&dice.pick(&[" \r\n", "\t\r\n", " \t \r\n\r\n \r\n"]).repeat(1 + dice.below(5))),
        4 => text(&format!("Hello.{}\r\n", dice.pick(&[" ", "  ", "\t", " \t ", ""]))),
        5 => text(&format!("text\r\n{}", " \t\r\n\r\n".repeat(dice.below(6)))),
        6 => text(".\r\n..\r\n...dots\r\n. \r\n.\r\n"),
        7 => text(&format!("{}\r\nshort\r\n{}\r\n", "x".repeat(998), "y ".repeat(499))),
        8 => (eight, "f\u{fc}r Sie: \u{90ae}\u{4ef6} \u{1f600}\u{a0}\r\n\u{3000}\r\n".into()),
        9 => (eight, [&b"latin \xfc\xe9\x85\xa0 \xff"[..], b" \r\n\x80\r\n"].concat()),
        10 => ("", b"bell\x07 escape\x1b form\x0c vertical\x0b  \x0b\r\n\x0c\r\n".to_vec()),
        11 => (mixed, "preamble\r\n--a  b\r\nContent-Type: text/html\r\n\r\n<p>Hello   <b>you</b>\r\n--a  b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n\r\n--a  b--\r\n\r\nend  \r\n".into()),
        12 => ("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n", "Subject: inside\r\nDKIM-Signature: v=1; b=x\r\n\r\nFrom me\r\n".into()),
        13 => ("MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n", "soft =\r\n break=20\r\n=E9=\r\n\r\n".into()),
        14 => text(&format!("{}\r\n", "word  ".repeat(150))),
        15 => {
            let lines = 200 + dice.below(2000);
            let mut body = String::new();
            for line in 0..lines {
                body += &format!("{line}\t{}{}\r\n", "= ".repeat(dice.below(20)), " ".repeat(dice.below(3)));
            }
            ("", body.into_bytes())
        }
        _ => {
            let octets = (0..dice.below(4000)).map(|_| {
                let any = b"ab \t.=-;:\"\\\xc3\xbc  ";
                any[dice.below(any.len())]
            });
            let octets: Vec<u8> = octets.collect();
            let lines = octets.chunks(70).map(|line| [line, b"\r\n"].concat());
            (eight, lines.collect::<Vec<_>>().concat())
        }
    }
}

fn submit(app: &mut Client, message: &Written) {
    let option = if message.smtputf8 { " SMTPUTF8" } else { "" };
    let mut stuffed = Vec::with_capacity(message.bytes.len() + 16);
    for line in message.bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    for command in [format!("MAIL FROM:<news@both.example>{option}"), format!("RCPT TO:<{ANN}>")] {
        let said = app.say(&command);
        assert!(said.starts_with("250"), "{command}: {said}");
    }
    assert!(app.say("DATA").starts_with("354"));
    app.send(&stuffed);
    let said = app.say(".");
    let head = String::from_utf8_lossy(&message.bytes).chars().take(2000).collect::<String>();
    assert!(said.starts_with("250"), "{said}: {head}");
}

async fn received(world: &World, count: usize) -> Vec<Received> {
    let patience = PATIENCE + Duration::from_millis(20) * u32::try_from(count).expect("few");
    let all = world.receiver.wait(patience, |all| all.len() >= count).await;
    let all = all.unwrap_or_else(|| panic!("{} came", world.receiver.mailbox().len()));
    assert_eq!(all.len(), count);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn both_signatures_of_a_thousand_messages_hold_for_two_other_verifiers() {
    let world = World::start().await;
    world.agree(ANN);
    world.done(&["domain", "add", "acme", "both.example", "--trust"]);
    let judges = Judges::new(&world);
    let mut dice = Dice(1);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    for number in 0..MESSAGES {
        submit(&mut app, &written(number, &mut dice));
    }
    let mail = received(&world, MESSAGES).await;
    let number = |copy: &Received| super::field(copy, "X-Number").expect("its number");
    let mut numbers: Vec<_> = mail.iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), MESSAGES, "each came once");
    let files: Vec<_> = mail.iter().map(|copy| judges.keep(&number(copy), &copy.message)).collect();
    let mut failed: Vec<(String, &Path)> = Vec::new();
    let said = judges.dkimpy(&files);
    assert_eq!(said.len(), MESSAGES);
    failed.extend(
        said.iter()
            .zip(&files)
            .filter(|(said, _)| *said != BOTH)
            .map(|(said, file)| (format!("dkimpy: {said}"), file.as_path())),
    );
    for batch in files.chunks(BATCH) {
        if judges.opendkim(batch) != (batch.len(), batch.len()) {
            let alone =
                batch.iter().map(|file| (judges.opendkim(std::slice::from_ref(file)), file));
            let wrong = alone.filter(|(held, _)| *held != (1, 1));
            failed
                .extend(wrong.map(|(held, file)| (format!("OpenDKIM: {held:?}"), file.as_path())));
        }
    }
    let first = failed.first().map(|(_, file)| std::fs::read(file).expect("a copy"));
    let first = first.map(|copy| String::from_utf8_lossy(&copy).into_owned());
    assert!(
        failed.is_empty(),
        "{} fail: {:?}\n{first:?}",
        failed.len(),
        &failed[..failed.len().min(20)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_changed_or_added_breaks_both_signatures() {
    let world = World::start().await;
    world.agree(ANN);
    world.done(&["domain", "add", "acme", "both.example", "--trust"]);
    let judges = Judges::new(&world);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    let text = format!(
        "From: news@both.example\r\nTo: {ANN}\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n\r\nHello.\r\n"
    );
    submit(&mut app, &Written { smtputf8: false, bytes: text.into_bytes() });
    let copy = received(&world, 1).await.remove(0).message;
    let copy = String::from_utf8(copy).expect("text");
    let mut files = vec![judges.keep("copy", copy.as_bytes())];
    assert_eq!(judges.dkimpy(&files), [BOTH]);
    assert_eq!(judges.opendkim(&files), (1, 1));
    files.clear();
    for (number, (from, to)) in [
        ("Subject: Hello", "Subject: Hallo"),
        ("Hello.\r\n", "Hallo.\r\n"),
        ("\nList-Unsubscribe-Post:", "\nX-Post:"),
    ]
    .into_iter()
    .enumerate()
    {
        files
            .push(judges.keep(&format!("changed-{number}"), copy.replacen(from, to, 1).as_bytes()));
    }
    for field in [
        "From: evil@both.example",
        "Subject: Buy",
        "To: all@reader.example",
        "Cc: all@reader.example",
        "Date: Tue, 24 Nov 2026 09:30:00 +0100",
        "Reply-To: evil@evil.example",
        "Message-ID: <a@b.example>",
        "MIME-Version: 1.1",
        "Content-Type: text/html",
        "Content-Transfer-Encoding: base64",
        "List-Unsubscribe: <https://evil.example/>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ] {
        // Before all, where readers look first, and after all, where a verifier does.
        let (head, body) = copy.split_once("\r\n\r\n").expect("a header and a body");
        let name = field.split(':').next().expect("a name");
        let first = format!("{field}\r\n{copy}");
        let last = format!("{head}\r\n{field}\r\n\r\n{body}");
        files.push(judges.keep(&format!("first-{name}"), first.as_bytes()));
        files.push(judges.keep(&format!("last-{name}"), last.as_bytes()));
    }
    let said = judges.dkimpy(&files);
    for (said, file) in said.iter().zip(&files) {
        assert!(!said.contains("sha256 True"), "{}: {said}", file.display());
        assert_eq!(judges.opendkim(std::slice::from_ref(file)), (0, 0), "{}", file.display());
    }
}
