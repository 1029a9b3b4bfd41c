//! SCRAM-SHA-256 and -PLUS: GNU SASL's client over a TLS 1.3 exporter, and a client written here by
//! RFC 5802 alone, which binds to the certificate, and lies.

use crate::support::client::Client;
use crate::support::{PATIENCE, World};
use std::process::{Command, Output, Stdio};

const ANN: &str = "ann@reader.example";

/// A client. Each line of its input is JSON: what to change in an honest exchange. Each line of its
/// output is the last reply and, where there was one, whether the server proved itself.
const CLIENT: &str = r#"
import base64, hashlib, hmac, json, os, smtplib, ssl, sys
host, port, tls12 = "127.0.0.1", int(sys.argv[1]), len(sys.argv) > 2
b64 = lambda b: base64.b64encode(b).decode()
mac = lambda key, text: hmac.new(key, text.encode(), hashlib.sha256).digest()
xor = lambda a, b: bytes(x ^ y for x, y in zip(a, b))
earlier = {}
def talk(given):
    context = ssl._create_unverified_context()
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    s = smtplib.SMTP(host, port, timeout=20)
    if given.get("tls", True):
        s.starttls(context=context)
    s.ehlo()
    mechanism = "SCRAM-SHA-256-PLUS" if given.get("plus") else "SCRAM-SHA-256"
    if mechanism not in s.esmtp_features.get("auth", "").split():
        return "not offered"
    header, bound = given.get("header", "n,,"), b""
    if given.get("plus"):
        header = given.get("header", "p=tls-server-end-point,,")
        bound = hashlib.sha256(s.sock.getpeercert(True)).digest()
        if given.get("other"):
            bound = bytes(32)
    nonce = b64(os.urandom(18))
    bare = "n=%s,r=%s" % (given["user"], nonce)
    code, text = s.docmd("AUTH", mechanism + " " + b64((header + bare).encode()))
    if code != 334:
        return "%d %s" % (code, text.decode())
    first = base64.b64decode(text).decode()
    parts = dict(part.split("=", 1) for part in first.split(","))
    assert parts["r"].startswith(nonce) and len(parts["r"]) >= len(nonce) + 24 and int(parts["i"]) >= 4096
    salt = base64.b64decode(parts["s"])
    if given.get("salt"):
        return parts["s"]
    salted = hashlib.pbkdf2_hmac("sha256", given["password"].encode(), salt, int(parts["i"]))
    key = mac(salted, "Client Key")
    sent = given.get("binding", header)
    unproved = "c=%s,r=%s" % (b64(sent.encode() + bound), given.get("nonce", parts["r"]))
    exchanged = bare + "," + first + "," + unproved
    proof = xor(key, mac(hashlib.sha256(key).digest(), exchanged))
    last = unproved + ",p=" + b64(proof)
    if given.get("replay"):
        last = earlier["last"]
    earlier["last"] = last
    code, text = s.docmd(b64(last.encode()))
    if code != 334:
        return "%d %s" % (code, text.decode())
    mine = base64.b64decode(text) == b"v=" + b64(mac(mac(salted, "Server Key"), exchanged)).encode()
    code, _ = s.docmd(b64(b"x") if given.get("hasty") else "")
    if code == 235 and given.get("mail"):
        s.sendmail("news@acme.example", [given["mail"]], "From: news@acme.example\r\nSubject: s\r\n\r\nx\r\n")
    return "%d %s" % (code, mine)
for line in sys.stdin:
    print(talk(json.loads(line)), flush=True)
"#;

/// Has the client talk once for each of `given`; what it says of each.
fn talk(world: &World, given: &[serde_json::Value], more: &[&str]) -> Vec<String> {
    let port = world.ports.submission[0].to_string();
    let lines: Vec<_> = given
        .iter()
        .map(|given| {
            let mut whole =
                serde_json::json!({ "user": "app/receipts", "password": world.password });
            let fields = given.as_object().expect("an object").clone();
            whole.as_object_mut().expect("an object").extend(fields);
            whole.to_string()
        })
        .collect();
    let input = world.path("scram.jsonl");
    std::fs::write(&input, lines.join("\n")).expect("written");
    let output = Command::new("python3")
        .args(["-c", CLIENT, &port])
        .args(more)
        .stdin(std::fs::File::open(&input).expect("a file"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn gsasl(world: &World, mechanism: &str, password: &str, more: &[&str]) -> Output {
    Command::new("gsasl")
        .args(["--smtp", "--verbose", "--x509-ca-file=", "--mechanism", mechanism])
        .args(["--authentication-id=app/receipts", "--authorization-id="])
        .arg(format!("--password={password}"))
        .arg(format!("--connect=127.0.0.1:{}", world.ports.submission[0]))
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("gsasl runs: apt-get install gsasl")
}

#[tokio::test(flavor = "multi_thread")]
async fn gnu_sasl_binds_its_proof_to_the_connection() {
    let world = World::start().await;
    for (mechanism, more) in [
        ("SCRAM-SHA-256-PLUS", &["--starttls"][..]),
        ("SCRAM-SHA-256", &["--no-starttls"]),
        ("SCRAM-SHA-256", &["--starttls", "--no-cb"]),
    ] {
        let output = gsasl(&world, mechanism, &world.password, more);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let fault = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{mechanism} {more:?}: {said}{fault}");
        let bound = data_encoding::BASE64.encode(b"p=tls-exporter,");
        assert_eq!(said.contains(&bound), mechanism.ends_with("PLUS"), "{said}");
        let wrong = gsasl(&world, mechanism, "wrong", more);
        assert!(!wrong.status.success(), "{mechanism} {more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_logs_in_and_the_server_proves_itself() {
    let world = World::start().await;
    let given = [
        serde_json::json!({ "mail": ANN }),
        serde_json::json!({ "plus": true, "mail": "bob@reader.example" }),
        serde_json::json!({ "user": "app", "header": "n,a=app," }),
        serde_json::json!({ "tls": false, "header": "y,," }),
        serde_json::json!({ "tls": false, "plus": true }),
    ];
    let right = ["235 True", "235 True", "235 True", "235 True", "not offered"];
    assert_eq!(talk(&world, &given, &[]), right);
    assert_eq!(talk(&world, &given, &["TLS 1.2"]), right);
    world.receiver.message_to(ANN, PATIENCE).await.expect("a delivery");
    world.receiver.message_to("bob@reader.example", PATIENCE).await.expect("a delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_not_for_this_exchange_is_refused() {
    let world = World::start().await;
    let given = [
        (serde_json::json!({ "password": "wrong" }), "535 5.7.8 user"),
        (serde_json::json!({ "user": "nobody" }), "535 5.7.8 user"),
        (serde_json::json!({ "user": "app/nothing" }), "535 5.7.8 user"),
        (serde_json::json!({ "plus": true }), "235 True"),
        (serde_json::json!({ "plus": true, "replay": true }), "535 5.7.8 user"),
        (serde_json::json!({ "plus": true, "other": true }), "535 5.7.8 user"),
        (serde_json::json!({ "nonce": "mine" }), "535 5.7.8 user"),
        // Somebody in between took PLUS out of what we offer, and perhaps mends the flag later.
        (serde_json::json!({ "header": "y,," }), "535 5.7.8 5.7.8 SCRAM-SHA-256-PLUS is offered"),
        (serde_json::json!({ "binding": "y,," }), "535 5.7.8 user"),
        (serde_json::json!({ "plus": true, "header": "p=tls-unique,," }), "535 5.7.8 no such"),
        (serde_json::json!({ "header": "n,a=other," }), "535 5.7.8 nobody"),
        (serde_json::json!({ "header": "z,," }), "501 5.5.2"),
        (serde_json::json!({ "hasty": true }), "501 True"),
    ];
    let (given, expected): (Vec<_>, Vec<_>) = given.into_iter().unzip();
    for (said, expected) in talk(&world, &given, &[]).into_iter().zip(expected) {
        let expected = expected.replace("5.7.8 5.7.8", "5.7.8");
        assert!(said.starts_with(&expected), "{said:?}, not {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_not_there_has_a_salt_of_its_own_each_time() {
    let mut world = World::start().await;
    let salt = |user: &str| serde_json::json!({ "user": user, "salt": true });
    let given = [salt("nobody"), salt("nobody/x"), salt("somebody"), salt("app")];
    let salts = talk(&world, &given, &[]);
    assert_eq!(salts[0], salts[1]);
    assert!(salts[0] != salts[2] && salts[0] != salts[3] && salts[3].len() == salts[0].len());
    world.stop();
    world.launch(&[]);
    assert_eq!(talk(&world, &given, &[]), salts, "the same after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_whatever_the_mechanism() {
    let world = World::start().await;
    let wrong = serde_json::json!({ "password": "wrong" });
    let said = talk(&world, &vec![wrong; 21], &[]);
    assert!(said[19].starts_with("535") && said[20].starts_with("454 4.7.0"), "{said:?}");
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO x.example");
    let secret = data_encoding::BASE64.encode(format!("\0app\0{}", world.password).as_bytes());
    let reply = client.say(&format!("AUTH PLAIN {secret}"));
    assert!(reply.starts_with("454 4.7.0"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_of_scram_ends_the_exchange_and_a_megabyte_the_session() {
    let world = World::start().await;
    let port = world.ports.submission[0];
    let encode = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let mut client = Client::connect(port);
    client.say("EHLO x.example");
    assert!(client.say("AUTH SCRAM-SHA-256-PLUS").starts_with("504"), "no TLS, nothing to bind to");
    for first in ["", "=", "!", "n,,", "n,,n=app", "\u{1f600}", "n,,m=x,n=app,r=x"] {
        let line = if first == "!" { first.to_owned() } else { encode(first) };
        assert!(client.say("AUTH SCRAM-SHA-256").starts_with("334"));
        let reply = client.say(&line);
        assert!(reply.starts_with("501 5.5.2"), "{first}: {reply}");
    }
    for last in ["", "c=biws", "c=biws,r=x,p=eA==", "e=no-resources"] {
        let reply = client.say(&format!("AUTH SCRAM-SHA-256 {}", encode("n,,n=app,r=abc")));
        assert!(reply.starts_with("334 "), "{reply}");
        let reply = client.say(&encode(last));
        assert!(reply.starts_with("501 5.5.2"), "{last}: {reply}");
    }
    let mut client = Client::connect(port);
    client.say("EHLO x.example");
    client.say(&format!("AUTH SCRAM-SHA-256 {}", encode("n,,n=app,r=abc")));
    client.send(&[b'A'; 1 << 20]);
    let reply = client.reply().expect("an answer");
    assert!(reply.starts_with("500 5.5.6"), "{reply}");
    assert!(client.is_closed());
}
