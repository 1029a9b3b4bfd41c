//! SMTP sessions as they are spoken, for an operator who looks on. While nobody does, nothing is written down:
//! a session asks one number and goes on. Whoever reads too slowly loses lines, and is told how many. Passwords
//! and messages are never shown, nor the tokens of people's addresses.

use crate::mail::MessageId;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Longest text of a line, in characters.
const TEXT_MAX: usize = 2000;
/// Characters from which on a local part that begins like one of ours is a token.
const TOKEN_MIN: usize = 20;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Voice {
    /// The other end.
    Peer,
    /// We.
    Us,
    /// Nobody: what happens beside the words.
    Note,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// An application hands mail in.
    Submission,
    /// A mail server brings mail to us.
    Inbound,
    /// We bring mail to a mail server.
    Delivery,
}

/// One line of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpokenLine {
    /// The session's number, since the daemon's start.
    pub session: u64,
    /// What the session is for.
    pub kind: SessionKind,
    /// The other end's address.
    pub peer: SocketAddr,
    /// Its name: as it greets, or as we looked it up.
    pub host: Option<String>,
    /// The domain that mail is brought to.
    pub domain: Option<String>,
    /// Who has logged in, as in acme/app.
    pub user: Option<String>,
    /// The message that is brought.
    pub message: Option<String>,
    /// Who speaks.
    pub voice: Voice,
    /// The words.
    pub text: String,
}

/// Which sessions somebody wants to see: all that fit everything that is named.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The session of this number.
    pub session: Option<u64>,
    /// Those from or to this address.
    pub address: Option<IpAddr>,
    /// Those of who has logged in so, with or without the account before a `/`.
    pub user: Option<String>,
    /// Those with this mail server, or that bring mail to this domain.
    pub site: Option<String>,
    /// Those that bring this message, while they do.
    pub message: Option<String>,
}

impl Sight {
    fn fits(&self, line: &SpokenLine) -> bool {
        let is_named = |found: &Option<String>, wanted: &str| {
            found
                .as_deref()
                .is_some_and(|found| found.trim_end_matches('.').eq_ignore_ascii_case(wanted))
        };
        let user = |wanted: &String| {
            let found = line.user.as_deref().unwrap_or_default();
            found == wanted || found.rsplit('/').next() == Some(wanted)
        };
        let address = |wanted: IpAddr| line.peer.ip().to_canonical() == wanted.to_canonical();
        self.session.is_none_or(|wanted| line.session == wanted)
            && self.address.is_none_or(address)
            && self.user.as_ref().is_none_or(user)
            && self
                .site
                .as_deref()
                .is_none_or(|wanted| is_named(&line.host, wanted) || is_named(&line.domain, wanted))
            && self.message.as_deref().is_none_or(|wanted| is_named(&line.message, wanted))
    }
}

/// Shows sessions to who looks on. Cheap to clone.
#[derive(Clone)]
pub struct Tracer(Arc<Shared>);

struct Shared {
    /// How many look on: what each line asks first.
    count: AtomicUsize,
    onlookers: Mutex<Vec<Onlooker>>,
    sessions: AtomicU64,
    onlookers_max: usize,
    lines_max: usize,
}

struct Onlooker {
    sight: Sight,
    lines: mpsc::Sender<SpokenLine>,
    lost: Arc<AtomicU64>,
}

/// What an onlooker is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// A line.
    Line(Box<SpokenLine>),
    /// So many lines were lost before the next, since they were not read in time.
    Lost(u64),
}

/// Somebody's look at sessions, which ends when it is dropped.
pub struct Look {
    tracer: Tracer,
    lines: mpsc::Receiver<SpokenLine>,
    lost: Arc<AtomicU64>,
    waiting: Option<SpokenLine>,
}

/// There are as many onlookers as the settings let look on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} look on already, which is api.traces_max")]
pub struct Crowded(pub usize);

impl Tracer {
    /// For so many onlookers at a time, with so many lines that wait for each.
    #[must_use]
    pub fn new(onlookers_max: u32, lines_max: u32) -> Self {
        Self(Arc::new(Shared {
            count: AtomicUsize::new(0),
            onlookers: Mutex::default(),
            sessions: AtomicU64::new(0),
            onlookers_max: onlookers_max as usize,
            lines_max: (lines_max as usize).max(1),
        }))
    }

    /// Looks on from now on.
    ///
    /// # Errors
    /// [`Crowded`].
    pub fn look(&self, sight: Sight) -> Result<Look, Crowded> {
        let mut onlookers = self.0.onlookers.lock().unwrap_or_else(PoisonError::into_inner);
        if onlookers.len() >= self.0.onlookers_max {
            return Err(Crowded(onlookers.len()));
        }
        let (sender, lines) = mpsc::channel(self.0.lines_max);
        let lost = Arc::new(AtomicU64::new(0));
        onlookers.push(Onlooker { sight, lines: sender, lost: lost.clone() });
        self.0.count.store(onlookers.len(), Ordering::Relaxed);
        Ok(Look { tracer: self.clone(), lines, lost, waiting: None })
    }

    fn is_watched(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// A session that begins.
    #[must_use]
    pub fn session(&self, kind: SessionKind, peer: SocketAddr) -> Speaker {
        let session = self.0.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let speaker = Speaker {
            tracer: self.clone(),
            about: SpokenLine {
                session,
                kind,
                peer,
                host: None,
                domain: None,
                user: None,
                message: None,
                voice: Voice::Note,
                text: String::new(),
            },
            message: None,
        };
        speaker.note("connected");
        speaker
    }

    fn tell(&self, line: &SpokenLine) {
        let onlookers = self.0.onlookers.lock().unwrap_or_else(PoisonError::into_inner);
        for onlooker in onlookers.iter().filter(|one| one.sight.fits(line)) {
            if onlooker.lines.try_send(line.clone()).is_err() {
                onlooker.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Look {
    /// The next thing to be told; it may be long in coming.
    pub async fn next(&mut self) -> Option<Told> {
        let line = match self.waiting.take() {
            Some(line) => line,
            None => self.lines.recv().await?,
        };
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => Some(Told::Line(Box::new(line))),
            count => {
                self.waiting = Some(line);
                Some(Told::Lost(count))
            }
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.lines.close();
        let shared = &self.tracer.0;
        let mut onlookers = shared.onlookers.lock().unwrap_or_else(PoisonError::into_inner);
        onlookers.retain(|one| !one.lines.is_closed());
        shared.count.store(onlookers.len(), Ordering::Relaxed);
    }
}

/// A session's voice. When it is dropped the session has ended.
pub struct Speaker {
    tracer: Tracer,
    about: SpokenLine,
    /// The message that is brought, which is written out for who looks on.
    message: Option<MessageId>,
}

impl Speaker {
    /// Names the other end.
    pub fn of_host(&mut self, name: &str) {
        if !name.is_empty() && self.about.host.as_deref() != Some(name) {
            self.about.host = Some(name.into());
        }
    }

    /// Says who has logged in.
    pub fn of_user(&mut self, user: String) {
        self.about.user = Some(user);
        self.note("logged in");
    }

    /// Says which message is brought from now on, and to which domain.
    pub fn of_message(&mut self, id: MessageId, domain: &str) {
        self.message = Some(id);
        if self.about.domain.as_deref() != Some(domain) {
            self.about.domain = Some(domain.into());
        }
    }

    /// What the other end says: a command or a reply, of one line or several.
    pub fn heard(&self, words: impl Display) {
        if self.tracer.is_watched() {
            self.speak(Voice::Peer, &words.to_string());
        }
    }

    /// The same, as it came.
    pub fn heard_bytes(&self, words: &[u8]) {
        if self.tracer.is_watched() {
            self.speak(Voice::Peer, &String::from_utf8_lossy(words));
        }
    }

    /// What we say.
    pub fn said(&self, words: &str) {
        if self.tracer.is_watched() {
            self.speak(Voice::Us, words);
        }
    }

    /// A step of a login, of which no more than the kind is shown.
    pub fn in_secret(&self, voice: Voice, words: &[u8]) {
        if !self.tracer.is_watched() {
            return;
        }
        let words = String::from_utf8_lossy(words);
        let mut named = words.trim_end().splitn(3, ' ');
        let text = match (named.next(), named.next(), named.next()) {
            (Some(verb), Some(mechanism), rest) if verb.eq_ignore_ascii_case("AUTH") => {
                let rest = if rest.is_some() { " (hidden)" } else { "" };
                format!("AUTH {mechanism}{rest}")
            }
            (Some("334"), _, _) => "334 (hidden)".into(),
            _ => "(hidden)".into(),
        };
        self.speak(voice, &text);
    }

    /// Something beside the words.
    pub fn note(&self, text: impl Display) {
        if self.tracer.is_watched() {
            self.speak(Voice::Note, &text.to_string());
        }
    }

    fn speak(&self, voice: Voice, words: &str) {
        let message = self.message.map(|id| id.to_string());
        for line in words.lines().filter(|line| !line.is_empty()) {
            let text = masked(line).chars().take(TEXT_MAX).collect();
            let message = message.clone();
            self.tracer.tell(&SpokenLine { voice, text, message, ..self.about.clone() });
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.note("ended");
    }
}

/// A line without the tokens of addresses of ours: whoever has one speaks for a person.
fn masked(line: &str) -> Cow<'_, str> {
    if !line.contains('@') {
        return Cow::Borrowed(line);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::with_capacity(line.len());
    let mut done = 0;
    for (at, _) in line.match_indices('@') {
        let before = &line[done..at];
        let start = before.trim_end_matches(is_part).len();
        let local = &before[start..];
        let is_ours = ["r-", "u-", "b-"]
            .iter()
            .any(|kind| local.get(..2).is_some_and(|begin| begin.eq_ignore_ascii_case(kind)));
        if is_ours && local.len() >= TOKEN_MIN {
            out.push_str(&before[..start]);
            out.push_str(&local[..2]);
            out.push_str("(token)");
        } else {
            out.push_str(before);
        }
        done = at;
    }
    out.push_str(&line[done..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], 25))
    }

    async fn line(look: &mut Look) -> String {
        match look.next().await {
            Some(Told::Line(line)) => line.text,
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn only_those_who_look_on_are_told_and_only_of_what_they_want() {
        let tracer = Tracer::new(2, 10);
        let mut speaker = tracer.session(SessionKind::Submission, peer());
        speaker.said("220 nobody hears this");
        assert_eq!(tracer.0.onlookers.lock().expect("nobody else").len(), 0);
        let wanted = Sight { user: Some("app".into()), ..Sight::default() };
        let mut of_user = tracer.look(wanted).expect("there is room");
        let mut of_all = tracer.look(Sight::default()).expect("there is room");
        assert_eq!(tracer.look(Sight::default()).err(), Some(Crowded(2)));
        speaker.heard("EHLO app.example\r\n");
        speaker.of_user("acme/app".into());
        speaker.said("250-one\r\n250 two\r\n");
        assert_eq!(line(&mut of_user).await, "logged in");
        assert_eq!(line(&mut of_user).await, "250-one");
        assert_eq!(line(&mut of_all).await, "EHLO app.example");
        drop((of_user, of_all));
        assert!(!tracer.is_watched());
        assert!(tracer.look(Sight::default()).is_ok(), "there is room again");
    }

    /// Words that break whoever writes them out.
    struct Unsaid;

    impl Display for Unsaid {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }

    #[tokio::test]
    async fn while_nobody_looks_on_nothing_is_written_out_and_nobody_waits() {
        let tracer = Tracer::new(1, 10);
        let (speaks, heard) = std::sync::mpsc::channel();
        let of_theirs = tracer.clone();
        // Whoever asked for the onlookers would wait for this.
        let onlookers = tracer.0.onlookers.lock().expect("nobody else");
        let session = std::thread::spawn(move || {
            let mut speaker = of_theirs.session(SessionKind::Delivery, peer());
            speaker.of_host("mx.reader.example");
            speaker.of_message(MessageId([7; 12]), "reader.example");
            speaker.heard(Unsaid);
            speaker.heard_bytes(b"EHLO");
            speaker.note(Unsaid);
            speaker.said("NOOP");
            speaker.in_secret(Voice::Us, b"334 x");
            let place = speaker.about.domain.as_deref().map(str::as_ptr);
            speaker.of_message(MessageId([8; 12]), "reader.example");
            assert_eq!(speaker.about.domain.as_deref().map(str::as_ptr), place, "kept as it was");
            speaks.send(speaker).expect("the test waits");
        });
        let limit = std::time::Duration::from_secs(20);
        let speaker = heard.recv_timeout(limit).expect("a session that is not held up");
        drop(onlookers);
        session.join().expect("it wrote nothing out");
        let mut look = tracer.look(Sight::default()).expect("there is room");
        speaker.said("RCPT TO:<ann@reader.example>");
        let line = match look.next().await {
            Some(Told::Line(line)) => Some(line),
            _ => None,
        };
        let line = line.expect("a line");
        assert_eq!(
            line.message,
            Some(MessageId([8; 12]).to_string()),
            "who came late knows it too"
        );
        assert_eq!(line.domain.as_deref(), Some("reader.example"));
    }

    #[tokio::test]
    async fn whoever_reads_slowly_loses_lines_and_is_told_how_many() {
        let tracer = Tracer::new(1, 2);
        let mut look = tracer.look(Sight::default()).expect("there is room");
        let speaker = tracer.session(SessionKind::Delivery, peer());
        (0..5).for_each(|number| speaker.said(&format!("NOOP {number}")));
        assert_eq!(look.next().await, Some(Told::Lost(4)));
        assert_eq!(line(&mut look).await, "connected");
        assert_eq!(line(&mut look).await, "NOOP 0");
        drop(speaker);
        assert_eq!(line(&mut look).await, "ended");
    }

    #[tokio::test]
    async fn no_secret_is_shown() {
        let tracer = Tracer::new(1, 10);
        let mut look = tracer.look(Sight::default()).expect("there is room");
        let speaker = tracer.session(SessionKind::Submission, peer());
        assert_eq!(line(&mut look).await, "connected");
        for (words, shown) in [
            ("AUTH PLAIN AGFwcABzZWNyZXQ=\r\n", "AUTH PLAIN (hidden)"),
            ("auth login\r\n", "AUTH login"),
            ("c2VjcmV0\r\n", "(hidden)"),
            ("334 Y2hhbGxlbmdl\r\n", "334 (hidden)"),
        ] {
            speaker.in_secret(Voice::Peer, words.as_bytes());
            assert_eq!(line(&mut look).await, shown);
        }
        speaker.heard("RCPT TO:<r-abcdefghijklmnopqrstuvwxyz234567@reply.example>\r\n");
        assert_eq!(line(&mut look).await, "RCPT TO:<r-(token)@reply.example>");
        assert_eq!(masked("RCPT TO:<r-d@x.example> u@y"), "RCPT TO:<r-d@x.example> u@y");
    }

    #[test]
    fn a_look_is_narrowed_by_all_that_it_names() {
        let tracer = Tracer::new(1, 10);
        let mut speaker = tracer.session(SessionKind::Delivery, peer());
        speaker.of_host("mx.reader.example");
        speaker.about.message = Some("abc".into());
        speaker.about.domain = Some("reader.example".into());
        let fits = |sight: Sight| sight.fits(&speaker.about);
        let site = |name: &str| Sight { site: Some(name.into()), ..Sight::default() };
        assert!(fits(site("MX.reader.example")) && fits(site("reader.example")));
        assert!(!fits(site("other.example")));
        let both = Sight { message: Some("abc".into()), ..site("other.example") };
        assert!(!fits(both));
        assert!(fits(Sight { address: Some(peer().ip()), ..Sight::default() }));
        assert!(!fits(Sight { session: Some(9), ..Sight::default() }));
    }
}
