//! Chromium, driven over WebDriver (W3C) by the few commands that the pages' tests need.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for the driver's port, and for one command.
const WAIT_MAX: Duration = Duration::from_secs(180);

/// A browser with one window; everything of it ends when this is dropped.
pub(super) struct Driver {
    process: Child,
    port: u16,
    session: String,
    folder: tempfile::TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.process.id())
            && let Some(group) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

impl Driver {
    /// A fresh browser; none where there is no `chromedriver`.
    pub(super) async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .arg(format!("--log-path={}", folder.path().join("more.log").display()))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .ok()?;
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut driver = Self { process, port: 0, session: String::new(), folder };
        let port = tokio::task::spawn_blocking(move || {
            let mut lines = said.lines().map_while(Result::ok);
            let port = lines.find_map(|line| {
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse().ok()
            });
            // What it says later is read too, so that it never waits to be heard.
            std::thread::spawn(move || lines.for_each(drop));
            port
        });
        let port = tokio::time::timeout(WAIT_MAX, port).await.expect("chromedriver starts");
        driver.port = port.expect("reading does not panic").expect("a port");
        let profile = format!("--user-data-dir={}", driver.folder.path().join("profile").display());
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let made = driver.ask("POST", "/session", &wanted).await;
        driver.session = made["sessionId"].as_str().expect("a session").to_owned();
        driver.tell("timeouts", &json!({ "script": 120_000, "pageLoad": 120_000 })).await;
        Some(driver)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.answer(method, path, body).await;
        assert!(value.get("error").is_none(), "{method} {path}: {value:#}");
        value
    }

    /// What the driver answers, an error too.
    async fn answer(&self, method: &str, path: &str, body: &Value) -> Value {
        let talk = async {
            let mut io = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the driver");
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            io.write_all((head + &body).as_bytes()).await.expect("sent");
            let (mut bytes, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
            loop {
                let text = String::from_utf8_lossy(&bytes);
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_ascii_lowercase();
                    let long = head
                        .split("content-length:")
                        .nth(1)
                        .and_then(|rest| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
                    if long.is_some_and(|long| body.len() >= long) {
                        break body.to_owned();
                    }
                }
                let count = io.read(&mut chunk).await.expect("an answer");
                assert!(count > 0, "the driver hung up: {text}");
                bytes.extend_from_slice(&chunk[..count]);
            }
        };
        let text = tokio::time::timeout(WAIT_MAX, talk).await.expect("the driver answers");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["value"].clone()
    }

    async fn tell(&self, what: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{what}", self.session), body).await
    }

    /// Opens a page.
    pub(super) async fn open(&self, url: &str) {
        self.tell("url", &json!({ "url": url })).await;
    }

    /// Runs a function body in the page, which the page's own policy does not bind.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The same, ended by its last argument.
    pub(super) async fn run_until_said(&self, script: &str) -> Value {
        self.tell("execute/async", &json!({ "script": script, "args": [] })).await
    }

    /// A command of the browser's own protocol.
    pub(super) async fn order(&self, what: &str, how: &Value) -> Value {
        self.tell("goog/cdp/execute", &json!({ "cmd": what, "params": how })).await
    }

    /// Presses what a selector names.
    pub(super) async fn press(&self, selector: &str) {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.tell("element", &wanted).await;
        let id = found.as_object().and_then(|all| all.values().next()).and_then(Value::as_str);
        let id = id.expect("an element's id").to_owned();
        self.tell(&format!("element/{id}/click"), &json!({})).await;
    }

    /// Presses what leads to another page, and waits until that is there.
    pub(super) async fn follow(&self, selector: &str) {
        self.run("window.isLeft = false").await;
        self.press(selector).await;
        let is_there = "return window.isLeft === undefined && document.readyState === 'complete'";
        let path = format!("/session/{}/execute/sync", self.session);
        let asked = json!({ "script": is_there, "args": [] });
        // In a page that is just going nothing can be run: that is an error, and no answer.
        let arrival = async { while self.answer("POST", &path, &asked).await != json!(true) {} };
        tokio::time::timeout(WAIT_MAX, arrival).await.expect("the next page comes");
    }

    /// Waits until a page of this title is there, without a script in it.
    pub(super) async fn until_titled(&self, title: &str) {
        let arrival = async {
            loop {
                let seen = self.order("Page.getNavigationHistory", &json!({})).await;
                let last = seen["entries"].as_array().and_then(|all| all.last());
                if last.is_some_and(|entry| entry["title"] == title) {
                    break;
                }
            }
        };
        tokio::time::timeout(WAIT_MAX, arrival).await.expect("the page comes");
    }

    /// Presses the Tab key.
    pub(super) async fn tab(&self) {
        let keys = json!([{ "type": "keyDown", "value": "\u{e004}" }, { "type": "keyUp", "value": "\u{e004}" }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.tell("actions", &actions).await;
    }

    /// What the console has said since this was asked last.
    pub(super) async fn console(&self) -> Vec<String> {
        let said = self.tell("se/log", &json!({ "type": "browser" })).await;
        let said = said.as_array().cloned().unwrap_or_default();
        said.iter().map(|line| line["message"].to_string()).collect()
    }

    /// A picture of the window, as PNG.
    pub(super) async fn picture(&self) -> Vec<u8> {
        let how = json!({ "format": "png" });
        let made = self.order("Page.captureScreenshot", &how).await;
        let text = made["data"].as_str().expect("a picture");
        data_encoding::BASE64.decode(text.as_bytes()).expect("base64")
    }
}
