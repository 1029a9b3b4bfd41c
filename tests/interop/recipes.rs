//! The recipes of README.md, run as they stand there: mail libraries of eight languages, and swaks, against
//! the real daemon, over TLS with a certificate that they check.
//!
//! Each sends one mail to Ann and to Bob, three times: before either has agreed, once Ann has, and with a
//! wrong password. Where a language is not on this machine that is said on standard error.

use crate::journeys::submission::with_setting;
use crate::support::certificates::Authority;
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Received;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");
const ANN: &str = "ann@reader.example";
const REASON: &str = "no consent of this recipient is recorded for this stream";

/// Reads a message from its input and prints what a reader of it would find.
const READ: &str = r#"
import email, email.policy, json, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = [part for part in mail.walk() if not part.is_multipart()]
print(json.dumps({
    "defects": [repr(fault) for part in mail.walk() for fault in part.defects],
    "subject": mail["Subject"], "list": mail.get_all("List-ID"), "stops": len(mail.get_all("List-Unsubscribe")),
    "kinds": [part.get_content_type() for part in parts], "name": parts[-1].get_filename(),
    "texts": ["".join(part.get_content() if isinstance(part.get_content(), str)
        else part.get_content().decode()).strip() for part in parts],
}))
"#;

/// A recipe, and how it is run.
struct Recipe {
    /// As the summary above it says.
    title: &'static str,
    /// As the fence says.
    language: &'static str,
    file: &'static str,
    /// RELAY_PORT is that of TLS from the start.
    implicit: bool,
    /// What it needs: programs, or files by their path.
    needs: &'static [&'static str],
    command: &'static [&'static str],
    /// What it shows of a wrong password.
    denied: &'static str,
}

impl Recipe {
    /// The first of what it needs that is not there.
    fn missing(&self) -> Option<&'static str> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |name: &str| {
            name.starts_with('/') && Path::new(name).exists()
                || std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        };
        self.needs.iter().copied().find(|name| !is_there(name))
    }

    /// The block of README.md.
    fn text(&self) -> &'static str {
        let summary = format!("<summary>{}</summary>", self.title);
        let (_, after) = README.split_once(&summary).expect("the recipe stands in README.md");
        let fence = format!("```{}\n", self.language);
        let (_, block) = after.split_once(&fence).expect("its block");
        block.split_once("\n```\n").expect("its end").0
    }

    /// Runs it in its folder; what it said on both outputs.
    fn run(&self, world: &World, folder: &Path, password: &str) -> String {
        let ports = &world.ports;
        let port = if self.implicit { ports.submissions[0] } else { ports.submission[0] };
        let authority = world.path("authority.pem");
        let trust = format!(
            "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword=changeit",
            world.path("authority.p12").display()
        );
        let output = Command::new(self.command[0])
            .args(&self.command[1..])
            .current_dir(folder)
            .env("RELAY_HOST", "localhost")
            .env("RELAY_PORT", port.to_string())
            .env("RELAY_USER", "app/newsletter")
            .env("RELAY_PASSWORD", password)
            .env("SSL_CERT_FILE", &authority)
            .env("NODE_EXTRA_CA_CERTS", &authority)
            .env("JDK_JAVA_OPTIONS", trust)
            .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        [output.stdout, output.stderr]
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .concat()
    }

    /// Has it tell its three stories.
    async fn tell(&self, prepare: impl FnOnce(&World, &Path)) {
        if let Some(missing) = self.missing() {
            // Past what the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "skipped: {}: no {missing}", self.title);
            return;
        }
        let mut world = World::start().await;
        let authority = Authority::new("Recipes");
        std::fs::write(world.path("authority.pem"), authority.pem()).expect("written");
        let (chain, key) = authority.issue(&["localhost"]).pem();
        let (chain_file, key_file) = (world.path("relay.pem"), world.path("relay.key"));
        std::fs::write(&chain_file, chain).expect("written");
        std::fs::write(&key_file, key).expect("written");
        let line = format!("certificate = {chain_file:?}\nkey = {key_file:?}");
        with_setting(&mut world, "tls", &line);
        let folder = world.path("recipe");
        let file = folder.join(self.file);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, format!("{}\n", self.text())).expect("written");
        prepare(&world, &folder);

        let refused = self.run(&world, &folder, &world.password);
        assert_eq!(refused.matches(REASON).count(), 2, "both are refused: {refused}");
        assert!(!refused.contains("accepted as"), "{refused}");

        world.agree(ANN);
        let taken = self.run(&world, &folder, &world.password);
        assert_eq!(taken.matches(REASON).count(), 1, "Bob is refused: {taken}");
        let (before, _) = taken.split_once(REASON).expect("the reason");
        // swaks has what it said on the line before.
        let mut lines = before.rsplit('\n').take(2);
        assert!(lines.any(|line| line.contains("bob@reader.example")), "{taken}");
        let said = |line: &'static str| taken.lines().find_map(|l| l.trim_end().split_once(line));
        let id = said("accepted as ").or_else(|| said("250 2.0.0 "));
        let (_, id) = id.unwrap_or_else(|| panic!("it names the message: {taken}"));
        let id = id.trim_end_matches(" Message accepted for delivery");
        let log = world.log();
        let is_called =
            |line: &str| line.contains(": accepted ") && line.contains(&format!(" id={id} "));
        assert!(log.lines().any(is_called), "{id} is what the log calls it: {log}");
        let mail = world.receiver.message_to(ANN, PATIENCE).await.expect("a delivery");
        is_whole(&world, &mail, self.title);

        let denied = self.run(&world, &folder, "wrong");
        assert!(denied.contains(self.denied), "a wrong password: {denied}");
        assert_eq!(world.receiver.mailbox().len(), 1, "one mail, to her who has agreed");
    }
}

/// What arrived is what was written, and has one List-Unsubscribe.
fn is_whole(world: &World, mail: &Received, title: &str) {
    let file = world.path("arrived.eml");
    std::fs::write(&file, &mail.message).expect("written");
    let output = Command::new("python3")
        .args(["-c", READ])
        .stdin(std::fs::File::open(&file).expect("a file"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["defects"], serde_json::json!([]), "{found}");
    assert_eq!(found["stops"], 1, "{found}");
    assert!(found["list"].to_string().contains("<news.acme.example>"), "{found}");
    assert!(found["subject"].as_str().is_some_and(|it| it.starts_with("Spring")), "{found}");
    assert_eq!(found["name"], "prices.csv", "{found}");
    let texts = found["texts"].to_string();
    assert!(texts.contains("please reply R") && texts.contains("pear,1 "), "{found}");
    if title != SHELL.title {
        let kinds = ["text/plain", "text/html", "text/csv"];
        assert_eq!(found["kinds"], serde_json::json!(kinds), "{found}");
        assert_eq!(found["subject"], "Spring – für Sie");
        assert_eq!(found["texts"][2], "pear,1 €", "{found}");
    }
}

/// A library that Debian has, where its package manager would have put it.
fn vendored(folder: &Path, autoload: &str) {
    std::fs::create_dir(folder.join("vendor")).expect("a folder");
    let text = format!("<?php require '{autoload}';\n");
    std::fs::write(folder.join("vendor/autoload.php"), text).expect("written");
}

const PYTHON: Recipe = Recipe {
    title: "Python: smtplib",
    language: "python",
    file: "send.py",
    implicit: false,
    needs: &["python3"],
    command: &["python3", "send.py"],
    denied: "SMTPAuthenticationError: (535, b'5.7.8 user name or password is wrong')",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_python_runs_as_written() {
    PYTHON.tell(|_, _| {}).await;
}

const NODEMAILER: &str = "/usr/share/nodejs/nodemailer";

const NODE: Recipe = Recipe {
    title: "Node.js: nodemailer",
    language: "js",
    file: "send.mjs",
    implicit: false,
    needs: &["node", NODEMAILER],
    command: &["node", "send.mjs"],
    denied: "Error: Invalid login: 535 5.7.8 user name or password is wrong",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_nodemailer_runs_as_written() {
    let install = |_: &World, folder: &Path| {
        std::fs::create_dir(folder.join("node_modules")).expect("a folder");
        let at = folder.join("node_modules/nodemailer");
        std::os::unix::fs::symlink(NODEMAILER, at).expect("a link");
    };
    NODE.tell(install).await;
}

const PHPMAILER: &str = "/usr/share/php/libphp-phpmailer/autoload.php";

const PHP: Recipe = Recipe {
    title: "PHP: PHPMailer",
    language: "php",
    file: "send.php",
    implicit: false,
    needs: &["php", PHPMAILER],
    command: &["php", "send.php"],
    denied: "SMTP Error: Could not authenticate.",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_phpmailer_runs_as_written() {
    PHP.tell(|_, folder| vendored(folder, PHPMAILER)).await;
}

const MAILER: &str = "/usr/share/php/Symfony/Component/Mailer/autoload.php";

const SYMFONY: Recipe = Recipe {
    title: "PHP: Symfony Mailer",
    language: "php",
    file: "send.php",
    implicit: true,
    needs: &["php", MAILER],
    command: &["php", "send.php"],
    denied: "with message \"535 5.7.8 user name or password is wrong\"",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_symfony_mailer_runs_as_written() {
    SYMFONY.tell(|_, folder| vendored(folder, MAILER)).await;
}

const JARS: &str = "/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar";

const JAVA: Recipe = Recipe {
    title: "Java: Jakarta Mail",
    language: "java",
    file: "Send.java",
    implicit: false,
    needs: &["java", "javac", "keytool", "/usr/share/java/jakarta-mail.jar"],
    command: &["java", "-cp", JARS, "Send.java"],
    denied: "AuthenticationFailedException: 535 5.7.8 user name or password is wrong",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_jakarta_mail_runs_as_written() {
    let trust = |world: &World, _: &Path| {
        let output = Command::new("keytool")
            .args(["-importcert", "-noprompt", "-alias", "recipes", "-storepass", "changeit"])
            .arg("-keystore")
            .arg(world.path("authority.p12"))
            .arg("-file")
            .arg(world.path("authority.pem"))
            .output()
            .expect("keytool runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    JAVA.tell(trust).await;
}

const GO: Recipe = Recipe {
    title: "Go: net/smtp",
    language: "go",
    file: "send.go",
    implicit: false,
    needs: &["go"],
    command: &["go", "run", "send.go"],
    denied: "535 5.7.8 user name or password is wrong",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_go_runs_as_written() {
    GO.tell(|_, _| {}).await;
}

const RUBY: Recipe = Recipe {
    title: "Ruby: mail",
    language: "ruby",
    file: "send.rb",
    implicit: false,
    needs: &["ruby", "/usr/lib/ruby/vendor_ruby/mail.rb"],
    command: &["ruby", "send.rb"],
    denied: "535 5.7.8 user name or password is wrong (Net::SMTPAuthenticationError)",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_ruby_runs_as_written() {
    RUBY.tell(|_, _| {}).await;
}

/// What comes after the first block, that of its dependencies.
const RUST: Recipe = Recipe {
    title: "Rust: mail-send",
    language: "rust",
    file: "src/main.rs",
    implicit: false,
    needs: &[],
    command: &[concat!(env!("CARGO_TARGET_TMPDIR"), "/recipe/debug/send")],
    denied: "AuthenticationFailed(Response { code: 535, esc: [5, 7, 8]",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_rust_runs_as_written() {
    let build = |_: &World, folder: &Path| {
        let dependencies = Recipe { language: "toml", ..RUST }.text();
        let head = "[package]\nname = \"send\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        let manifest = format!("{head}[workspace]\n{dependencies}\n");
        std::fs::write(folder.join("Cargo.toml"), manifest).expect("written");
        // The releases that the relay itself is built with, where it uses the same.
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
        std::fs::copy(ours, folder.join("Cargo.lock")).expect("a copy");
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--target-dir"])
            .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/recipe"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .current_dir(folder)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    RUST.tell(build).await;
}

const SHELL: Recipe = Recipe {
    title: "Shell: swaks",
    language: "sh",
    file: "send",
    implicit: false,
    needs: &["swaks"],
    command: &["sh", "send"],
    denied: "535 5.7.8 user name or password is wrong",
};

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_the_shell_runs_as_written() {
    SHELL.tell(|_, _| {}).await;
}
