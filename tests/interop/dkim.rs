//! Both signatures of a copy, verified by a verifier that is not ours, with the records that an operator
//! is told to publish.

use crate::support::client::Client;
use crate::support::{PATIENCE, World};
use std::io::Write;
use std::process::{Command, Stdio};

const ANN: &str = "ann@reader.example";

/// Reads `{"records": …, "message": base64}` and prints a line for each signature: its algorithm,
/// whether it holds, and whether it covers both unsubscribe fields.
const VERIFY: &str = r#"
import base64, dkim, json, sys
given = json.load(sys.stdin)
texts = {r["name"].rstrip(".").lower(): r["value"] for r in given["records"] if r["type"] == "TXT"}
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return texts[name.rstrip(".").lower()].encode()
message = base64.b64decode(given["message"])
count = sum(1 for name, _ in dkim.rfc822_parse(message)[0] if name.lower() == b"dkim-signature")
for index in range(count):
    verifier = dkim.DKIM(message)
    held = verifier.verify(idx=index, dnsfunc=txt)
    names = [n.lower() for n in verifier.include_headers]
    covers = b"list-unsubscribe" in names and b"list-unsubscribe-post" in names
    print(verifier.signature_fields[b"a"].decode(), held, covers)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn both_signatures_hold_for_another_verifier() {
    let world = World::start().await;
    world.agree(ANN);
    world.done(&["domain", "add", "acme", "both.example", "--trust"]);
    let shown = world.done(&["domain", "show", "acme", "both.example", "--json"]).json();
    for body in
        ["Hello.\r\n", "", "\r\n", "trailing \t\r\n \t\r\n\r\n", ".\r\n..dots\r\n", "\u{fc}ber\r\n"]
    {
        let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
        let message = format!(
            "From: \"Acme, Inc.\" <news@both.example>\r\nTo: {ANN}\r\nSubject: a  long\r\n folded\r\n\r\n{body}"
        );
        let before = world.receiver.mailbox().len();
        let said = app.submit("news@both.example", &[ANN], &message);
        assert!(said.starts_with("250"), "{said}");
        world.receiver.wait(PATIENCE, |all| all.len() > before).await.expect("a delivery");
        let mail = world.receiver.mailbox().pop().expect("a delivery");
        let given = serde_json::json!({
            "records": shown["records"],
            "message": data_encoding::BASE64.encode(&mail.message),
        });
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
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<_> = said.lines().collect();
        lines.sort_unstable();
        let fault = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            lines,
            ["ed25519-sha256 True True", "rsa-sha256 True True"],
            "{body:?}: {fault} (apt-get install python3-dkim python3-nacl)"
        );
    }
}
