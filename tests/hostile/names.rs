//! A name server that says whatever a row has it say, byte for byte: over UDP and TCP, with its own
//! encoder, since the ones at hand refuse to write what is wrong.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;

pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const MX: u16 = 15;
pub const AAAA: u16 = 28;
const OPT: u16 = 41;

pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;
pub const REFUSED: u8 = 5;

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    pub owner: String,
    pub kind: u16,
    pub ttl: u32,
    pub data: Vec<u8>,
}

impl Record {
    pub fn new(owner: &str, kind: u16, data: Vec<u8>) -> Self {
        Self { owner: owner.to_ascii_lowercase(), kind, ttl: 60, data }
    }

    pub fn ttl(self, ttl: u32) -> Self {
        Self { ttl, ..self }
    }
}

pub fn mx(owner: &str, preference: u16, host: &str) -> Record {
    let data = [&preference.to_be_bytes()[..], &name(host)].concat();
    Record::new(owner, MX, data)
}

pub fn address(owner: &str, to: impl Into<IpAddr>) -> Record {
    match to.into() {
        IpAddr::V4(to) => Record::new(owner, A, to.octets().to_vec()),
        IpAddr::V6(to) => Record::new(owner, AAAA, to.octets().to_vec()),
    }
}

pub fn alias(owner: &str, to: &str) -> Record {
    Record::new(owner, CNAME, name(to))
}

/// A name on the wire, not compressed.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label of less than 256 bytes"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Query {
    pub id: u16,
    /// In lower case, without the final dot.
    pub name: String,
    pub kind: u16,
    pub tcp: bool,
    pub edns: bool,
    /// The question as it came.
    question: Vec<u8>,
}

impl Query {
    fn read(bytes: &[u8], tcp: bool) -> Option<Self> {
        let id = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
        let (mut at, mut labels) = (12, Vec::new());
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
        let question = bytes.get(12..at + 4)?.to_vec();
        let rest = bytes.get(at + 4..)?;
        let edns = rest.windows(3).any(|window| window == [0, 0, OPT.to_be_bytes()[1]]);
        Some(Self { id, name: labels.join("."), kind, tcp, edns, question })
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Says {
    /// Nothing; over TCP the connection ends.
    Nothing,
    /// A message.
    Message(Reply),
    /// These bytes, each a datagram, after the id of the query.
    Raw(Vec<Vec<u8>>),
    /// A message, later.
    Late(Duration, Reply),
}

/// A message.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub code: u8,
    pub truncated: bool,
    pub answers: Vec<Record>,
    pub additional: Vec<Record>,
    /// Another id than the query's.
    pub id: Option<u16>,
    /// Another question than the query's.
    pub question: Option<Vec<u8>>,
    /// Nothing is said of the zone's SOA where there is no answer.
    pub bare: bool,
}

impl Reply {
    pub fn code(code: u8) -> Says {
        Says::Message(Self { code, bare: true, ..Self::default() })
    }

    pub fn answers(answers: Vec<Record>) -> Self {
        Self { answers, ..Self::default() }
    }

    /// The answer of an honest server that knows these records.
    pub fn honest(query: &Query, records: &[Record]) -> Self {
        let mut reply = Self::default();
        let mut owner = query.name.clone();
        let below = |record: &Record, owner: &str| {
            record.owner == owner || record.owner.ends_with(&format!(".{owner}"))
        };
        loop {
            let here = records.iter().filter(|record| record.owner == owner);
            let found = here.clone().filter(|record| record.kind == query.kind);
            reply.answers.extend(found.cloned());
            let alias = here.clone().find(|record| record.kind == CNAME && query.kind != CNAME);
            let Some(alias) = alias.filter(|_| reply.answers.len() < 64) else { break };
            reply.answers.push(alias.clone());
            owner = read_name(&alias.data);
        }
        if reply.answers.is_empty() && !records.iter().any(|record| below(record, &owner)) {
            reply.code = NXDOMAIN;
        }
        reply
    }

    /// The bytes, to a query.
    pub fn wire(&self, query: &Query) -> Vec<u8> {
        let mut authority = Vec::new();
        if self.answers.is_empty() && !self.bare {
            let numbers = [1_u32, 60, 60, 60, 1].iter().flat_map(|number| number.to_be_bytes());
            let data = [name("."), name("."), numbers.collect()].concat();
            authority.push(Record::new("", SOA, data).ttl(1));
        }
        let mut wire = self.id.unwrap_or(query.id).to_be_bytes().to_vec();
        // A response, authoritative, recursion desired and available.
        wire.push(0x85 | if self.truncated { 2 } else { 0 });
        wire.push(0x80 | self.code);
        wire.extend(1_u16.to_be_bytes());
        for section in [&self.answers, &authority, &self.additional] {
            let count = u16::try_from(section.len()).expect("fewer than 65,536 records");
            wire.extend(count.to_be_bytes());
        }
        wire.extend(self.question.as_ref().unwrap_or(&query.question));
        for record in [&self.answers, &authority, &self.additional].into_iter().flatten() {
            if record.owner == query.name {
                wire.extend([0xc0, 12]);
            } else {
                wire.extend(name(&record.owner));
            }
            wire.extend(record.kind.to_be_bytes());
            wire.extend(1_u16.to_be_bytes());
            wire.extend(record.ttl.to_be_bytes());
            let length = u16::try_from(record.data.len()).expect("less than 64 KiB");
            wire.extend(length.to_be_bytes());
            wire.extend(&record.data);
        }
        wire
    }
}

/// A question on the wire.
pub fn question(of: &str, kind: u16) -> Vec<u8> {
    [name(of), kind.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

fn read_name(wire: &[u8]) -> String {
    let (mut labels, mut rest) = (Vec::new(), wire);
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, after) = after.split_at(usize::from(length));
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        rest = after;
    }
    labels.join(".")
}

/// What a server knows, and how it lies.
pub type Zone = Arc<dyn Fn(&Query) -> Says + Send + Sync>;

/// The server. Stops when dropped.
pub struct Names {
    at: SocketAddr,
    tasks: [AbortHandle; 2],
}

impl Drop for Names {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Names {
    pub async fn start(zone: Zone) -> Self {
        let mut tries = 0;
        let (socket, listener) = loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            match TcpListener::bind(socket.local_addr().expect("bound")).await {
                Ok(listener) => break (socket, listener),
                Err(fault) => assert!(tries < 20, "no port is free for both: {fault}"),
            }
            tries += 1;
        };
        let at = socket.local_addr().expect("bound");
        let datagrams = tokio::spawn(datagrams(Arc::new(socket), zone.clone())).abort_handle();
        let connections = tokio::spawn(connections(listener, zone)).abort_handle();
        Self { at, tasks: [datagrams, connections] }
    }

    pub fn address(&self) -> SocketAddr {
        self.at
    }
}

/// The messages that answer a query; with the time to wait first.
fn messages(query: &Query, says: Says) -> (Duration, Vec<Vec<u8>>) {
    match says {
        Says::Nothing => (Duration::ZERO, Vec::new()),
        Says::Message(reply) => (Duration::ZERO, vec![reply.wire(query)]),
        Says::Late(wait, reply) => (wait, vec![reply.wire(query)]),
        Says::Raw(all) => {
            let with_id = |bytes: Vec<u8>| [&query.id.to_be_bytes()[..], &bytes].concat();
            (Duration::ZERO, all.into_iter().map(with_id).collect())
        }
    }
}

/// Larger messages are cut to their head and asked for again over TCP.
const DATAGRAM_MAX: usize = 1232;

async fn datagrams(socket: Arc<UdpSocket>, zone: Zone) {
    let mut bytes = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        let Some(query) = Query::read(&bytes[..length], false) else { continue };
        let (wait, mut all) = messages(&query, zone(&query));
        for message in &mut all {
            if message.len() > DATAGRAM_MAX {
                *message = Reply { truncated: true, bare: true, ..Reply::default() }.wire(&query);
            }
        }
        let socket = socket.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            for message in all {
                let _ = socket.send_to(&message, from).await;
            }
        });
    }
}

async fn connections(listener: TcpListener, zone: Zone) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, zone.clone()));
    }
}

async fn converse(mut stream: TcpStream, zone: Zone) -> std::io::Result<()> {
    loop {
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        let Some(query) = Query::read(&bytes, true) else { return Ok(()) };
        let (wait, all) = messages(&query, zone(&query));
        if all.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        for message in all {
            stream.write_u16(u16::try_from(message.len()).expect("less than 64 KiB")).await?;
            stream.write_all(&message).await?;
        }
    }
}
