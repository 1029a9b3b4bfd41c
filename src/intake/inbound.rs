//! Mail from other mail servers: replies, bounces, complaints. Only our own addresses are taken, and what
//! a message does is done before its 250.

use super::{Intake, literal};
use crate::mail::{Answer, ReversePath, Status, TlsDemand, Verdict, header, trace};
use crate::replies::{Destination, Incoming};
use crate::smtp::session::Question;
use crate::telemetry::Amount;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of memory taken at a time.
const MEMORY_STEP: usize = 64 << 10;

/// A message under way, kept in memory within `inbound.memory_max`.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
    memory: Vec<(OwnedSemaphorePermit, Amount)>,
    refused: Option<Answer>,
}

/// What inbound keeps of a session.
pub(super) struct Inbound {
    intake: Arc<Intake>,
    peer: SocketAddr,
    sender: ReversePath,
    /// MAIL said REQUIRETLS.
    requiretls: bool,
    to: Vec<Destination>,
    message: Message,
    trace: String,
    /// What the host called itself.
    helo: String,
}

impl Inbound {
    pub(super) fn new(intake: Arc<Intake>, peer: SocketAddr) -> Self {
        Self {
            intake,
            peer,
            sender: ReversePath::Null,
            requiretls: false,
            to: Vec::new(),
            message: Message::default(),
            trace: String::new(),
            helo: String::new(),
        }
    }

    pub(super) fn takes_no_auth() -> Answer {
        Answer::new(502, Status::new(5, 5, 1), "this port takes no AUTH")
    }

    pub(super) async fn ask(&mut self, question: Question) -> Verdict {
        match question {
            Question::Login(_) => Verdict::Refuse(Self::takes_no_auth()),
            Question::Mail(sender, parameters) => {
                self.abandon();
                if let Err(fault) = self.intake.parts.queue.ready() {
                    // Opt-outs are taken even where no mail is: letters are refused at their end.
                    tracing::warn!(target: "relent::intake", %fault, "inbound mail while the spool is not ready");
                }
                self.sender = sender;
                self.requiretls = parameters.requiretls;
                Verdict::Accept
            }
            Question::Recipient(address, _) => match self.intake.parts.desk.recipient(&address) {
                Ok(destination) => {
                    self.to.push(destination);
                    Verdict::Accept
                }
                Err(answer) => {
                    tracing::info!(
                        target: "relent::intake", event = "inbound_recipient_refused", to = %address, client = %self.peer.ip(),
                        reason = answer.log.as_str(), "recipient refused"
                    );
                    if answer.reply.is_transient() {
                        Verdict::Defer(answer)
                    } else {
                        Verdict::Refuse(answer)
                    }
                }
            },
        }
    }

    pub(super) fn begin(&mut self, client: &str, tls: bool) {
        let parts = &self.intake.parts;
        let with = if tls { "ESMTPS" } else { "ESMTP" };
        self.message = Message::default();
        client.clone_into(&mut self.helo);
        self.trace = format!(
            "Received: from {client} ({})\r\n\tby {} with {with}; {}\r\n",
            literal(self.peer.ip()),
            parts.config.hostname,
            parts.world.clock.now().rfc5322()
        );
        self.message.bytes.extend_from_slice(self.trace.as_bytes());
    }

    pub(super) fn abandon(&mut self) {
        self.to.clear();
        self.message = Message::default();
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let message = &mut self.message;
        if message.refused.is_some() {
            return;
        }
        let size_max = self.intake.parts.config.inbound.message_size_max.bytes();
        if message.bytes.len() + bytes.len() > size_max.saturating_add(self.trace.len()) {
            let text = format!("messages have at most {size_max} octets here");
            message.refused = Some(Answer::new(552, Status::new(5, 3, 4), text));
            return;
        }
        while message.bytes.len() + bytes.len() > message.memory.len() * MEMORY_STEP {
            let kibibytes = u32::try_from(MEMORY_STEP / 1024).unwrap_or(u32::MAX);
            match self.intake.inbound_memory.semaphore().clone().try_acquire_many_owned(kibibytes) {
                Ok(permit) => {
                    let used = self.intake.levels.inbound_memory.take(MEMORY_STEP as u64);
                    message.memory.push((permit, used));
                }
                Err(_) => {
                    let text = "no memory for this message now; try again later";
                    message.refused = Some(Answer::new(452, Status::new(4, 3, 1), text));
                    message.bytes = Vec::new();
                    return;
                }
            }
        }
        message.bytes.extend_from_slice(bytes);
    }

    pub(super) async fn finish(&mut self) -> Answer {
        let arrived = Instant::now();
        let message = std::mem::take(&mut self.message);
        let to = std::mem::take(&mut self.to);
        if let Some(answer) = message.refused {
            return answer;
        }
        let end = header::body_start(&message.bytes);
        let hops_max = self.intake.parts.config.inbound.hops_max as usize;
        let own_max = self.intake.parts.config.inbound.own_hops_max as usize;
        let fields = header::fields(&message.bytes[..end]).unwrap_or_default();
        let (hops, own) = trace::hops(&fields, &self.intake.own_names());
        let tls = TlsDemand::of(self.requiretls, &fields);
        if hops > hops_max {
            let text = format!("more than {hops_max} hops: a mail loop");
            return Answer::new(554, Status::new(5, 4, 6), text);
        }
        // One of them was written just now.
        if own > own_max.saturating_add(1) {
            let text = format!("it has come through this relay {} times: a mail loop", own - 1);
            return Answer::new(554, Status::new(5, 4, 6), text);
        }
        let incoming = Incoming {
            sender: self.sender.clone(),
            peer: self.peer.ip(),
            helo: self.helo.clone(),
            to,
            tls,
            message: message.bytes.into(),
            arrived,
        };
        let verdict = self.intake.parts.desk.receive(incoming).await;
        drop(message.memory);
        match verdict.refusal() {
            None => Answer::new(250, Status::new(2, 0, 0), "ok"),
            Some(answer) => {
                tracing::info!(
                    target: "relent::intake", event = "inbound_refused", client = %self.peer.ip(), code = answer.reply.code,
                    reason = answer.log.as_str(), "inbound message refused"
                );
                answer
            }
        }
    }
}
