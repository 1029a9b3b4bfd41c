//! A small name server that answers from a list of records: for the demo and for tests.

use crate::mail::Tlsa;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Listener, UdpSocket as Socket};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Most TCP connections at a time.
const CONNECTIONS_MAX: usize = 32;
/// Longest life of a TCP connection.
const CONNECTION_LIFE: Duration = Duration::from_secs(10);
/// Longest chain of CNAME records followed.
const CHAIN_MAX: usize = 8;
/// Largest answer over UDP; a larger one is asked for again over TCP.
const DATAGRAM_MAX: usize = 512;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rdata {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail host with its preference; the host `.` takes no mail.
    Mx(u16, String),
    /// A text.
    Txt(String),
    /// Another name for it.
    Cname(String),
    /// The name of an address; the record's own name is the address backwards, below in-addr.arpa or ip6.arpa.
    Ptr(String),
    /// What the certificate at a port must be; the name is `_25._tcp.HOST`.
    Tlsa(Tlsa),
    /// No record: answers about this name and those below it are said to be proven (AD).
    Proven,
    /// No record: questions about this name, of whatever type, are answered SERVFAIL.
    Fails,
}

/// What is answered from.
#[derive(Default)]
struct Zone {
    records: Vec<Record>,
    proven: Vec<Name>,
    failing: Vec<Name>,
}

/// A zone that may be replaced while it is served.
type Served = Arc<RwLock<Zone>>;

impl Zone {
    fn of(records: &[(String, Rdata)]) -> io::Result<Self> {
        let mut zone = Self::default();
        for (owner, data) in records {
            match data {
                Rdata::Proven => zone.proven.push(name(owner)?),
                Rdata::Fails => zone.failing.push(name(owner)?),
                data => zone.records.push(record(owner, data)?),
            }
        }
        Ok(zone)
    }
}

/// A name server that answers until it is dropped.
pub struct NameServer {
    address: SocketAddr,
    zone: Served,
    tasks: [AbortHandle; 2],
}

impl NameServer {
    /// Answers over UDP and TCP at `bind`; port 0 picks one that is free for both. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The port is taken, or a record holds what is no name.
    pub fn start(bind: SocketAddr, records: &[(String, Rdata)]) -> io::Result<Self> {
        let zone = Arc::new(RwLock::new(Zone::of(records)?));
        let (socket, listener) = open(bind)?;
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        listener.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let listener = TcpListener::from_std(listener)?;
        let datagrams = tokio::spawn(datagrams(socket, zone.clone()));
        let connections = tokio::spawn(connections(listener, zone.clone()));
        let tasks = [datagrams.abort_handle(), connections.abort_handle()];
        Ok(Self { address, zone, tasks })
    }

    /// Answers from these records instead.
    ///
    /// # Errors
    /// A record holds what is no name.
    pub fn replace(&self, records: &[(String, Rdata)]) -> io::Result<()> {
        let zone = Zone::of(records)?;
        *self.zone.write().unwrap_or_else(PoisonError::into_inner) = zone;
        Ok(())
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Settings that ask it alone, and give it more time than a busy machine takes.
    #[cfg(test)]
    pub(crate) fn settings(&self) -> crate::config::Dns {
        crate::config::Dns {
            nameservers: vec![self.address],
            timeout: crate::config::Span::seconds(30),
            ..crate::config::Dns::default()
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A port that is free for UDP need not be for TCP: a few are tried.
fn open(bind: SocketAddr) -> io::Result<(Socket, Listener)> {
    let mut tries = if bind.port() == 0 { 20 } else { 1 };
    loop {
        tries -= 1;
        let socket = Socket::bind(bind)?;
        match Listener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, listener)),
            Err(fault) if tries == 0 => return Err(fault),
            Err(_) => {}
        }
    }
}

fn name(text: &str) -> io::Result<Name> {
    let fault = |why| io::Error::other(format!("{text} is no name for DNS: {why}"));
    let mut name = Name::from_ascii(text).map_err(fault)?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

fn record(owner: &str, data: &Rdata) -> io::Result<Record> {
    let data = match data {
        Rdata::A(address) => RData::A(A(*address)),
        Rdata::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Rdata::Mx(preference, host) => RData::MX(MX::new(*preference, name(host)?)),
        Rdata::Txt(text) => RData::TXT(TXT::from_bytes(text.as_bytes().chunks(255).collect())),
        Rdata::Cname(other) => RData::CNAME(CNAME(name(other)?)),
        Rdata::Ptr(other) => RData::PTR(PTR(name(other)?)),
        Rdata::Tlsa(Tlsa { usage, selector, matching, data }) => RData::TLSA(TLSA::new(
            (*usage).into(),
            (*selector).into(),
            (*matching).into(),
            data.clone(),
        )),
        Rdata::Proven | Rdata::Fails => return Err(io::Error::other("that is no record")),
    };
    Ok(Record::from_rdata(name(owner)?, 60, data))
}

async fn datagrams(socket: UdpSocket, zone: Served) {
    let mut query = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        if let Some(reply) = answer(&query[..length], &zone, DATAGRAM_MAX) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

async fn connections(listener: TcpListener, zone: Served) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let zone = zone.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(CONNECTION_LIFE, converse(stream, &zone)).await;
            drop(place);
        });
    }
}

async fn converse(mut stream: TcpStream, zone: &Served) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let reply = answer(&query, zone, usize::from(u16::MAX));
        let reply = reply.ok_or(io::ErrorKind::InvalidData)?;
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        stream.write_u16(length).await?;
        stream.write_all(&reply).await?;
    }
}

fn answer(query: &[u8], zone: &Served, most: usize) -> Option<Vec<u8>> {
    let zone = zone.read().unwrap_or_else(PoisonError::into_inner);
    let records = &zone.records;
    let query = Message::from_vec(query).ok()?;
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.authoritative = true;
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    let asked = query.queries.first()?.clone();
    let mut owner = asked.name().to_lowercase();
    let kind = asked.query_type();
    reply.add_query(asked);
    reply.metadata.authentic_data =
        query.metadata.authentic_data && zone.proven.iter().any(|top| top.zone_of(&owner));
    if zone.failing.contains(&owner) {
        reply.metadata.response_code = ResponseCode::ServFail;
        return reply.to_vec().ok();
    }
    for _ in 0..CHAIN_MAX {
        let here: Vec<_> = records.iter().filter(|r| r.name == owner).collect();
        let known = records.iter().any(|r| owner.zone_of(&r.name));
        if !known {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let found = here.iter().filter(|r| r.data.record_type() == kind);
        reply.add_answers(found.map(|r| (*r).clone()));
        let next = here.iter().find_map(|r| match &r.data {
            RData::CNAME(other) if kind != RecordType::CNAME => Some((other.0.clone(), *r)),
            _ => None,
        });
        let Some((other, link)) = next else { break };
        reply.add_answer(link.clone());
        owner = other;
    }
    if reply.answers.is_empty() {
        let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 1);
        reply.add_authority(Record::from_rdata(Name::root(), 1, RData::SOA(soa)));
    }
    let wire = reply.to_vec().ok()?;
    if wire.len() <= most {
        return Some(wire);
    }
    reply.truncate().to_vec().ok()
}
