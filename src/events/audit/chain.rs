//! The chain itself: each link is bound to the one before, and to a digest of what its entry says.

use super::act::{Act, Said};
use super::actor::Actor;
use crate::events::request::RequestKey;
use crate::mail::Timestamp;
use crate::store::{Record, StoreFault, Table, Transaction};
use crate::world::World;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the head lies.
pub(super) const HEAD: &[u8] = b"audit/head";
/// What a link is bound to that has none before it.
const BEGINNING: [u8; 32] = [0; 32];

/// A link: no word of what its entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// When the entry was written.
    pub at: Timestamp,
    /// SHA-256 of the salt and of what the entry says.
    pub digest: [u8; 32],
    /// SHA-256 of the link before, this one's number, time and digest.
    pub bound: [u8; 32],
}

/// The last link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 where the chain is empty.
    pub sequence: u64,
    /// What the next is bound to.
    pub bound: [u8; 32],
}

/// What an entry says, with its salt; or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// It is there.
    Whole {
        /// Random, so that nobody guesses the words from the digest.
        salt: [u8; 16],
        /// A [`Said`] as JSON, as it was digested.
        said: String,
    },
    /// It was destroyed with all else that was known of a person, as the entry of this number says.
    Erased(u64),
}

/// What is left of an entry's words.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    /// They are there.
    Said(Said),
    /// Destroyed, as the entry of this number says.
    Erased(u64),
    /// Destroyed since their time was over, or never there.
    Gone,
}

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub sequence: u64,
    /// Its link.
    pub link: Link,
    /// What it says.
    pub words: Words,
}

impl Record for Link {
    const TABLE: Table = Table::Audit;
}
impl Record for Head {
    const TABLE: Table = Table::Meta;
}
impl Record for Payload {
    const TABLE: Table = Table::AuditPayload;
}

impl Link {
    /// The link of an entry, bound to what stands before it.
    #[must_use]
    pub fn new(before: &[u8; 32], sequence: u64, at: Timestamp, digest: [u8; 32]) -> Self {
        let number = sequence.to_be_bytes();
        let bound = sha256(&[before, &number, &at.0.to_be_bytes(), &digest]);
        Self { at, digest, bound }
    }
}

impl Payload {
    /// The digest that its link holds; none where it was destroyed.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        match self {
            Self::Whole { salt, said } => Some(sha256(&[salt, said.as_bytes()])),
            Self::Erased(_) => None,
        }
    }
}

impl Head {
    /// A head as it was written down elsewhere: `SEQUENCE:HASH`, the hash in hex.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (sequence, bound) = text.trim().split_once(':')?;
        let bound = HEXLOWER_PERMISSIVE.decode(bound.as_bytes()).ok()?;
        Some(Self { sequence: sequence.parse().ok()?, bound: bound.try_into().ok()? })
    }

    /// What a chain begins with.
    #[must_use]
    pub const fn beginning() -> Self {
        Self { sequence: 0, bound: BEGINNING }
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// In whose name changes are made: it writes their entries. Cheap to clone.
#[derive(Clone)]
pub struct Author {
    actor: Arc<Actor>,
    world: World,
    /// The request that asks for what is done, where it carries a key.
    request: Option<RequestKey>,
}

impl Author {
    /// Relent itself, until it is somebody else.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self { actor: Arc::new(Actor::Relent), world, request: None }
    }

    /// The same, in another's name.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self.clone() }
    }

    /// The same, within a request: what it writes says that the request was done.
    #[must_use]
    pub fn within(&self, request: RequestKey) -> Self {
        Self { request: Some(request), ..self.clone() }
    }

    /// Who it is.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Writes an act into the chain, durable with the transaction that it tells of: the entry's number.
    ///
    /// # Errors
    /// The store.
    pub fn write(&self, t: &mut Transaction<'_>, act: Act) -> Result<u64, StoreFault> {
        let head = match t.get::<Head>(HEAD)? {
            Some(head) => head,
            None => found(t)?,
        };
        let mut salt = [0; 16];
        self.world.chance.fill(&mut salt);
        let payload = Payload::Whole { salt, said: act.said(&self.actor) };
        let digest = payload.digest().expect("it is whole");
        let sequence = head.sequence.saturating_add(1);
        let link = Link::new(&head.bound, sequence, self.world.clock.now(), digest);
        let place = sequence.to_be_bytes();
        t.put(&place, &link);
        t.put(&place, &payload);
        t.put(HEAD, &Head { sequence, bound: link.bound });
        if let Some(request) = &self.request {
            request.done(t)?;
        }
        Ok(sequence)
    }
}

/// The head of a chain whose head is not there: at its beginning, or where a damaged store lost it. No link is
/// ever written over.
fn found(t: &Transaction<'_>) -> Result<Head, StoreFault> {
    let mut head = Head::beginning();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = t.scan::<Link>(&[], after.as_deref(), 1000)?;
        let Some((last, link)) = page.last() else { return Ok(head) };
        if let Ok(number) = last.as_slice().try_into() {
            head = Head { sequence: u64::from_be_bytes(number), bound: link.bound };
        }
        after = Some(last.clone());
    }
}
