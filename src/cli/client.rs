//! One request over the admin socket: JSON there, JSON back, and what went wrong in words.

pub(super) use super::events::Event;
use super::events::Events;
use crate::config::{self, Config};
use crate::world::exchange;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Largest answer taken: a page of a listing.
const ANSWER_SIZE_MAX: usize = 256 << 20;

/// How often, and after what pause, something is asked again that has no turn yet.
const TURNS_MAX: u32 = 600;
const TURN: Duration = Duration::from_secs(1);

/// Why a verb did not do what it was asked; each is an exit code.
#[derive(Debug)]
pub(super) enum Fault {
    /// Refused, not found, or recorded while a message may still arrive: 1.
    Refused(String),
    /// Not asked as it must be: 2.
    Usage(String),
    /// The daemon cannot be reached: 3.
    Unreachable(String),
}

impl Fault {
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(text) | Self::Usage(text) | Self::Unreachable(text)) = self;
        f.write_str(text)
    }
}

/// The daemon as its admin socket shows it.
pub(super) struct Client {
    socket: PathBuf,
    settings: PathBuf,
    patience: Duration,
    /// All settings, as the file has them now.
    pub(super) config: Config,
    /// What the settings let through, here as in the daemon.
    pub(super) limits: config::Http,
    /// The same of a message.
    pub(super) message_size_max: u64,
}

impl Client {
    /// A client of the daemon that runs with these settings.
    pub(super) fn new(config: &Config, settings: &Path) -> Self {
        Self {
            socket: config.listen.admin.clone(),
            settings: settings.into(),
            // The daemon gives up first, so that its own words are heard.
            patience: config.http.request_timeout.0.saturating_mul(2),
            config: config.clone(),
            limits: config.http.clone(),
            message_size_max: config.submission.message_size_max.0,
        }
    }

    /// The daemon's process; none where nobody answers on the admin socket.
    pub(super) async fn process(&self) -> Option<i32> {
        UnixStream::connect(&self.socket).await.ok()?.peer_cred().ok()?.pid()
    }

    /// Asks; `path` begins with `/` and follows `/api/v1`.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Fault> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let (status, bytes) = self.answer(method, path, body).await?;
        read(status, &bytes)
    }

    /// POST of JSON that is written already; its answer too where it says that one message may still
    /// arrive.
    pub(super) async fn post_text(&self, path: &str, body: String) -> Result<Value, Fault> {
        let (status, bytes) =
            self.answer(Method::POST, path, Some(("application/json", body.into()))).await?;
        read(if status == StatusCode::ACCEPTED { StatusCode::OK } else { status }, &bytes)
    }

    /// POST of a message.
    pub(super) async fn post_message(&self, path: &str, message: Vec<u8>) -> Result<Value, Fault> {
        let body = Some(("message/rfc822", message.into()));
        let (status, bytes) = self.answer(Method::POST, path, body).await?;
        read(status, &bytes)
    }

    /// PUT of a file.
    pub(super) async fn put_file(
        &self,
        path: &str,
        kind: &str,
        file: Vec<u8>,
    ) -> Result<Value, Fault> {
        let (status, bytes) = self.answer(Method::PUT, path, Some((kind, file.into()))).await?;
        read(status, &bytes)
    }

    /// The figures, as `/metrics` shows them.
    pub(super) async fn figures(&self) -> Result<String, Fault> {
        let (status, bytes) = self.answer_at(Method::GET, "/metrics", None).await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match status.is_success() {
            true => Ok(text),
            false => read(status, text.as_bytes()).map(|_| String::new()),
        }
    }

    /// What a route tells as long as somebody listens.
    pub(super) async fn follow(&self, path: &str) -> Result<Events, Fault> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|fault| self.absent(&fault))?;
        let path = format!("/api/v1{path}");
        let opened = tokio::time::timeout(self.patience, Events::open(stream, &path)).await;
        let late = |_| self.broken(&format!("no answer within {} s", self.patience.as_secs()));
        match opened.map_err(late)?.map_err(|fault| self.broken(&fault))? {
            Ok(events) => Ok(events),
            Err((status, bytes)) => match read(status, &bytes) {
                Ok(_) => Err(self.broken("it tells nothing")),
                Err(fault) => Err(fault),
            },
        }
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        self.answer_at(method, &format!("/api/v1{path}"), body).await
    }

    async fn answer_at(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|fault| self.absent(&fault))?;
        let exchange = self.exchange(stream, method, path, body);
        tokio::time::timeout(self.patience, exchange)
            .await
            .map_err(|_| self.broken(&format!("no answer within {} s", self.patience.as_secs())))?
            .map_err(|fault| self.broken(&fault))
    }

    /// Whether a daemon answers at all; that it may not be asked is a fault.
    pub(super) async fn is_there(&self) -> Result<bool, Fault> {
        match UnixStream::connect(&self.socket).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(self.absent(&fault))
            }
            Err(_) => Ok(false),
        }
    }

    /// POST of what may have to wait for its turn.
    pub(super) async fn post_patiently(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let text = body.to_string();
        for _ in 0..TURNS_MAX {
            let body = Some(("application/json", Bytes::from(text.clone())));
            let (status, bytes) = self.answer(Method::POST, path, body).await?;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                return read(status, &bytes);
            }
            tokio::time::sleep(TURN).await;
        }
        Err(self.broken("it had no turn for this"))
    }

    /// POST whose answer is taken piece by piece, each with how many bytes there will be about, where that is
    /// said. The inner fault is that of who takes them; none where the answer broke off.
    pub(super) async fn stream(
        &self,
        path: &str,
        body: &Value,
        mut take: impl FnMut(Option<u64>, &[u8]) -> std::io::Result<()>,
    ) -> Result<Result<(), Option<std::io::Error>>, Fault> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|fault| self.absent(&fault))?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|fault| self.broken(&fault.to_string()))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1{path}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|fault| self.broken(&fault.to_string()))?;
        let asked = tokio::time::timeout(self.patience, sender.send_request(request)).await;
        let response = asked.map_err(|_| self.broken("no answer"))?;
        let response = response.map_err(|fault| self.broken(&fault.to_string()))?;
        let status = response.status();
        let total = response.headers().get("x-relent-size");
        let total = total.and_then(|size| size.to_str().ok()?.parse::<u64>().ok());
        let mut body = response.into_body();
        if !status.is_success() {
            let bytes = Limited::new(body, ANSWER_SIZE_MAX).collect().await;
            let bytes = bytes.map_err(|fault| self.broken(&fault.to_string()))?.to_bytes();
            return read(status, &bytes).map(|_| Ok(()));
        }
        let outcome = loop {
            match body.frame().await {
                None => break Ok(()),
                Some(Err(_)) => break Err(None),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref()
                        && let Err(fault) = take(total, bytes)
                    {
                        break Err(Some(fault));
                    }
                }
            }
        };
        connection.abort();
        Ok(outcome)
    }

    /// GET.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask(Method::GET, path, None).await
    }

    /// POST.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// PATCH.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    pub(super) async fn delete(&self, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        self.ask(Method::DELETE, path, body).await
    }

    async fn exchange(
        &self,
        stream: UnixStream,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("accept", "application/json");
        let bytes = match body {
            Some((kind, bytes)) => {
                request = request.header("content-type", kind);
                bytes
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes)).map_err(|fault| fault.to_string())?;
        let answer = exchange(stream, request, ANSWER_SIZE_MAX).await;
        let answer = answer.map_err(|fault| fault.to_string())?;
        Ok((answer.status(), answer.into_body()))
    }

    fn absent(&self, fault: &std::io::Error) -> Fault {
        let why = match fault.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "only the user of the daemon and root may use it: try again with sudo".into()
            }
            _ => format!(
                "is the daemon running with these settings? Start it with `systemctl start relent` \
                 or `relent serve --config {}`",
                self.settings.display()
            ),
        };
        Fault::Unreachable(format!(
            "cannot reach the daemon at {}: {fault}; {why}",
            self.socket.display()
        ))
    }

    fn broken(&self, why: &str) -> Fault {
        Fault::Unreachable(format!(
            "the daemon at {} did not answer: {why}; its log says more, and the command may be repeated",
            self.socket.display()
        ))
    }
}

fn read(status: StatusCode, bytes: &[u8]) -> Result<Value, Fault> {
    let value: Value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    };
    if status == StatusCode::ACCEPTED {
        let said = words(&value);
        return Err(Fault::Refused(
            said.unwrap_or_else(|| "recorded; one message may still arrive".into()),
        ));
    }
    if status.is_success() {
        return Ok(value);
    }
    let said = words(&value).unwrap_or_else(|| format!("the daemon answered {status}"));
    let hint = match status {
        StatusCode::NOT_FOUND if !said.contains("`relent ") => {
            "; `relent account list` shows the accounts, `list` of each noun what they have"
        }
        _ => "",
    };
    Err(Fault::Refused(said + hint))
}

/// What the answer says to a person (RFC 9457: `detail`, else `title`).
fn words(value: &Value) -> Option<String> {
    ["detail", "title"]
        .iter()
        .find_map(|key| value[key].as_str())
        .or_else(|| value.as_str())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(Into::into)
}

/// A path of segments, each escaped.
pub(super) fn path(segments: &[&str]) -> String {
    segments.iter().flat_map(|segment| ["/".to_owned(), escape(segment)]).collect()
}

/// A query of the pairs that have a value, each escaped; with `?` unless empty.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escape((*value)?))))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(path(&["accounts", "a/b?c#d é"]), "/accounts/a%2Fb%3Fc%23d%20%C3%A9");
        assert_eq!(query(&[("a", Some("x&y=1")), ("b", None)]), "?a=x%26y%3D1");
        assert_eq!(query(&[("b", None)]), "");
    }

    #[test]
    fn a_stop_that_may_be_late_is_not_reported_as_done() {
        let late = read(StatusCode::ACCEPTED, b"").expect_err("202 is not done");
        assert_eq!(late.code(), 1);
        assert!(late.to_string().contains("may still arrive"));
    }

    #[test]
    fn a_refusal_is_told_in_the_daemons_words() {
        let body = br#"{"title":"Conflict","status":409,"detail":"an account `acme` exists"}"#;
        let fault = read(StatusCode::CONFLICT, body).expect_err("refused");
        assert_eq!(fault.to_string(), "an account `acme` exists");
        let fault =
            read(StatusCode::NOT_FOUND, br#"{"detail":"no account `x`"}"#).expect_err("none");
        assert!(fault.to_string().contains("relent account list"));
    }

    #[tokio::test]
    async fn an_absent_daemon_is_named_with_its_socket_and_how_to_start_it() {
        let mut config = Config::default();
        config.listen.admin = "/nonexistent/admin.sock".into();
        let client = Client::new(&config, Path::new("x.toml"));
        let fault = client.get("/accounts").await.expect_err("nobody is there");
        assert_eq!(fault.code(), 3);
        let text = fault.to_string();
        assert!(
            text.contains("/nonexistent/admin.sock")
                && text.contains("relent serve --config x.toml")
        );
    }
}
