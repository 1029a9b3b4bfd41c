//! Whether anybody has changed the chain: every link and every entry's words are looked at, a page at a time,
//! and what is wrong is named.

use super::act::Said;
use super::chain::{HEAD, Head, Link, Payload};
use super::read::{Audit, number, read};
use crate::store::{Record, StoreFault, Table};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Rows looked at in one page.
const TOGETHER: usize = 2000;
/// Most findings of one page: more are as good.
const FINDINGS_MAX: usize = 1000;
/// Where it is kept how far words were destroyed since their time was over.
const EXPIRED: &[u8] = b"audit/expired";
/// The kind of the entries that tell of destroyed words.
pub(super) const ERASED: &str = "recipient.erased";
/// The kind of the entries that tell of words whose time was over.
pub(super) const EXPIRY: &str = "audit.expired";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// These entries are not there.
    Missing(u64, u64),
    /// The link was changed, or what stands before it.
    Link(u64),
    /// The link cannot be read.
    LinkUnreadable(u64),
    /// The words are not those that were written.
    Words(u64),
    /// The words cannot be read.
    WordsUnreadable(u64),
    /// The words are not there, and no entry says that they were destroyed.
    WordsMissing(u64),
    /// The words are said to be erased by an entry that does not say so.
    NotErased(u64, u64),
    /// There are words and no link.
    Stray(u64),
    /// There is a row under a key that is no entry's.
    StrayRow(Table, String),
    /// There is an entry past the head.
    PastHead(u64),
    /// The head is not there.
    HeadMissing,
    /// The head is not that of its entry.
    Head(u64),
    /// A head that was noted elsewhere is not in the chain: it was cut off, or made anew from there on.
    Noted(u64),
    /// What was noted elsewhere was changed there.
    Notes(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(first, last) if first == last => write!(f, "entry {first} is missing"),
            Self::Missing(first, last) => write!(f, "entries {first} to {last} are missing"),
            Self::Link(n) => write!(f, "entry {n}: its link was changed, or what stands before it"),
            Self::LinkUnreadable(n) => write!(f, "entry {n}: its link cannot be read"),
            Self::Words(n) => write!(f, "entry {n}: its words are not those that were written"),
            Self::WordsUnreadable(n) => write!(f, "entry {n}: its words cannot be read"),
            Self::WordsMissing(n) => {
                write!(
                    f,
                    "entry {n}: its words are missing, and no entry says that they were erased"
                )
            }
            Self::NotErased(n, by) => {
                write!(
                    f,
                    "entry {n}: its words are gone, and entry {by} does not say that it erased them"
                )
            }
            Self::Stray(n) => write!(f, "entry {n}: there are words and no link"),
            Self::StrayRow(table, key) => {
                write!(
                    f,
                    "a row of table `{}` lies under the key {key}, which is no entry's",
                    table.name()
                )
            }
            Self::PastHead(n) => write!(f, "entry {n} stands past the head of the chain"),
            Self::HeadMissing => f.write_str("the head of the chain is missing"),
            Self::Head(n) => write!(f, "the head is not that of entry {n}"),
            Self::Noted(n) => write!(
                f,
                "entry {n} is not the one that was noted: the chain was cut off, or made anew from there \
                 or before"
            ),
            Self::Notes(what) => f.write_str(what),
        }
    }
}

/// How far a check has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Links up to the entry of this number, and rows up to this key.
    Links(u64, Vec<u8>),
    /// All links, and words up to this key.
    Words(Vec<u8>),
}

/// What a page of a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were looked at.
    pub looked: u64,
    /// Entries among them whose words were destroyed for a person, as another entry says.
    pub erased: u64,
    /// Entries whose words were destroyed since their time was over.
    pub expired: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Where the next page goes on; none where this is the last.
    pub next: Option<Place>,
}

/// How far words were destroyed since their time was over, and by which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expired {
    pub(super) through: u64,
    pub(super) by: u64,
}

impl Record for Expired {
    const TABLE: Table = Table::Meta;
}

impl Expired {
    pub(super) const PLACE: &'static [u8] = EXPIRED;
}

/// What the next link may be bound to: what the last one says, and what it should say.
#[derive(Clone, Copy)]
struct Before([Option<[u8; 32]>; 2]);

impl Before {
    fn fits(self, sequence: u64, link: &Link) -> bool {
        let bound = |before: [u8; 32]| Link::new(&before, sequence, link.at, link.digest).bound;
        self.is_unknown() || self.0.into_iter().flatten().any(|before| bound(before) == link.bound)
    }

    fn is_unknown(self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// What may follow a link.
    fn after(self, sequence: u64, link: &Link) -> Self {
        let meant = self.0.into_iter().flatten().next();
        let meant = meant.map(|before| Link::new(&before, sequence, link.at, link.digest).bound);
        Self([Some(link.bound), meant.filter(|meant| *meant != link.bound)])
    }
}

impl Audit {
    /// Looks at a page of the chain, from its beginning or from where the last page ended.
    ///
    /// # Errors
    /// The store; a row that cannot be read is a finding.
    pub fn check(&self, from: Option<Place>) -> Result<Checked, StoreFault> {
        let mut page = match from.unwrap_or(Place::Links(0, Vec::new())) {
            Place::Links(last, after) => self.check_links(last, &after)?,
            Place::Words(after) => self.check_words(&after)?,
        };
        page.findings.truncate(FINDINGS_MAX);
        Ok(page)
    }

    fn check_links(&self, last: u64, after: &[u8]) -> Result<Checked, StoreFault> {
        let mut checked = Checked::default();
        let mut before = self.before(last)?;
        let mut expected = last + 1;
        let after = (!after.is_empty()).then_some(after);
        let rows = self.store.examine::<Link>(&[], after, TOGETHER)?;
        let is_last = rows.len() < TOGETHER;
        // Read after the links: it is at least as new as they are.
        let head = self.store.get::<Head>(HEAD)?;
        let end = head.map_or(u64::MAX, |head| head.sequence);
        let mut end_of_page = Vec::new();
        for (place, link) in rows {
            checked.looked += 1;
            end_of_page.clone_from(&place);
            let Some(sequence) = number(&place).filter(|number| *number >= expected) else {
                checked.findings.push(stray(Table::Audit, &place));
                continue;
            };
            if sequence > end {
                checked.findings.push(Finding::PastHead(sequence));
                continue;
            }
            if sequence > expected {
                checked.findings.push(Finding::Missing(expected, sequence - 1));
                before = Before([None, None]);
            }
            expected = sequence + 1;
            let Some(link) = link else {
                checked.findings.push(Finding::LinkUnreadable(sequence));
                before = Before([None, None]);
                continue;
            };
            if !before.fits(sequence, &link) {
                checked.findings.push(Finding::Link(sequence));
            }
            before = before.after(sequence, &link);
            self.check_said(sequence, &link, &mut checked)?;
        }
        if !is_last {
            checked.next = Some(Place::Links(expected - 1, end_of_page));
            return Ok(checked);
        }
        self.check_head(head, expected - 1, &mut checked)?;
        checked.next = Some(Place::Words(Vec::new()));
        Ok(checked)
    }

    /// What the link after this one may be bound to.
    fn before(&self, sequence: u64) -> Result<Before, StoreFault> {
        if sequence == 0 {
            return Ok(Before([Some(Head::beginning().bound), None]));
        }
        let link = |sequence: u64| -> Result<Option<Link>, StoreFault> {
            let after = (sequence - 1).to_be_bytes();
            let rows = self.store.examine::<Link>(&[], Some(&after), 1)?;
            let found = rows.into_iter().find(|(place, _)| number(place) == Some(sequence));
            Ok(found.and_then(|(_, link)| link))
        };
        let Some(last) = link(sequence)? else { return Ok(Before([None, None])) };
        let earlier = match sequence {
            1 => Some(Head::beginning().bound),
            _ => link(sequence - 1)?.map(|link| link.bound),
        };
        Ok(Before([earlier, None]).after(sequence, &last))
    }

    /// Whether the words of an entry are those that its link was made for, or destroyed as an entry says.
    fn check_said(
        &self,
        sequence: u64,
        link: &Link,
        checked: &mut Checked,
    ) -> Result<(), StoreFault> {
        let finding = match self.payload(sequence)? {
            Kept::Unreadable => Finding::WordsUnreadable(sequence),
            Kept::There(payload @ Payload::Whole { .. }) => {
                if payload.digest() == Some(link.digest) {
                    return Ok(());
                }
                Finding::Words(sequence)
            }
            Kept::There(Payload::Erased(by)) => {
                if self.says_erased(by, sequence)? {
                    checked.erased += 1;
                    return Ok(());
                }
                Finding::NotErased(sequence, by)
            }
            Kept::Nothing => {
                if self.is_expired(sequence)? {
                    checked.expired += 1;
                    return Ok(());
                }
                Finding::WordsMissing(sequence)
            }
        };
        checked.findings.push(finding);
        Ok(())
    }

    fn payload(&self, sequence: u64) -> Result<Kept, StoreFault> {
        let after = sequence.saturating_sub(1).to_be_bytes();
        let rows = self.store.examine::<Payload>(&sequence.to_be_bytes(), Some(&after), 1)?;
        let found = rows.into_iter().find(|(place, _)| number(place) == Some(sequence));
        Ok(match found {
            None => Kept::Nothing,
            Some((_, None)) => Kept::Unreadable,
            Some((_, Some(payload))) => Kept::There(payload),
        })
    }

    fn said(&self, sequence: u64) -> Result<Option<Said>, StoreFault> {
        Ok(match self.payload(sequence)? {
            Kept::There(Payload::Whole { said, .. }) => read(sequence, &said).ok(),
            _ => None,
        })
    }

    /// Whether an entry says that it erased another's words.
    fn says_erased(&self, by: u64, sequence: u64) -> Result<bool, StoreFault> {
        // Who erases comes later. When its own words are over their time, so are those it erased, and
        // nothing is left that would name it.
        if by <= sequence {
            return Ok(false);
        }
        let Some(said) = self.said(by)?.filter(|said| said.kind == ERASED) else {
            return Ok(false);
        };
        let named = said.details.get("entries").and_then(|entries| entries.as_array());
        Ok(named.is_some_and(|named| named.iter().any(|n| n.as_u64() == Some(sequence))))
    }

    /// Whether the words of an entry were destroyed since their time was over, as an entry says.
    fn is_expired(&self, sequence: u64) -> Result<bool, StoreFault> {
        let Some(expired) = self.store.get::<Expired>(EXPIRED)? else { return Ok(false) };
        let said = self.said(expired.by)?.filter(|said| said.kind == EXPIRY);
        let through = said.and_then(|said| said.details.get("through")?.as_u64());
        Ok(through == Some(expired.through) && sequence <= expired.through)
    }

    fn check_head(
        &self,
        head: Option<Head>,
        last: u64,
        checked: &mut Checked,
    ) -> Result<(), StoreFault> {
        let Some(head) = head else {
            if last > 0 {
                checked.findings.push(Finding::HeadMissing);
            }
            return Ok(());
        };
        // Links may have come since the page was read.
        let after = head.sequence.saturating_sub(1).to_be_bytes();
        let rows = self.store.examine::<Link>(&head.sequence.to_be_bytes(), Some(&after), 1)?;
        let named = rows.into_iter().find(|(place, _)| number(place) == Some(head.sequence));
        match named {
            None if head.sequence > last => {
                checked.findings.push(Finding::Missing(last + 1, head.sequence));
            }
            Some((_, Some(link))) if link.bound != head.bound => {
                checked.findings.push(Finding::Head(head.sequence));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_words(&self, after: &[u8]) -> Result<Checked, StoreFault> {
        let mut checked = Checked::default();
        let from = (!after.is_empty()).then_some(after);
        let rows = self.store.examine::<Payload>(&[], from, TOGETHER)?;
        let is_last = rows.len() < TOGETHER;
        let mut end = Vec::new();
        for (place, _) in rows {
            match number(&place).filter(|number| *number > 0) {
                None => checked.findings.push(stray(Table::AuditPayload, &place)),
                Some(sequence) if !self.store.has::<Link>(&place)? => {
                    checked.findings.push(Finding::Stray(sequence));
                }
                Some(_) => {}
            }
            end = place;
        }
        checked.next = (!is_last).then_some(Place::Words(end));
        Ok(checked)
    }

    /// Holds heads that were noted elsewhere against the chain.
    ///
    /// # Errors
    /// The store.
    pub fn check_noted(&self, noted: &[Head]) -> Result<Vec<Finding>, StoreFault> {
        let mut findings = Vec::new();
        for head in noted {
            let after = head.sequence.saturating_sub(1).to_be_bytes();
            let rows = self.store.examine::<Link>(&head.sequence.to_be_bytes(), Some(&after), 1)?;
            let found = rows.into_iter().find(|(place, _)| number(place) == Some(head.sequence));
            if found.is_none_or(|(_, link)| link.is_none_or(|link| link.bound != head.bound)) {
                findings.push(Finding::Noted(head.sequence));
                if findings.len() >= FINDINGS_MAX {
                    break;
                }
            }
        }
        Ok(findings)
    }
}

/// What is left of an entry's words.
enum Kept {
    Nothing,
    Unreadable,
    There(Payload),
}

fn stray(table: Table, place: &[u8]) -> Finding {
    let key = match number(place) {
        Some(number) => number.to_string(),
        None => HEXLOWER.encode(place),
    };
    Finding::StrayRow(table, key)
}

impl fmt::Display for Place {
    /// `links.SEQUENCE.KEY` or `words.KEY`, as [`Place::read`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Links(last, after) => write!(f, "links.{last}.{}", HEXLOWER.encode(after)),
            Self::Words(after) => write!(f, "words.{}", HEXLOWER.encode(after)),
        }
    }
}

impl Place {
    /// A place as it was written; none of anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let key = |text: &str| HEXLOWER.decode(text.as_bytes()).ok();
        match text.split_once('.')? {
            ("words", after) => Some(Self::Words(key(after)?)),
            ("links", rest) => {
                let (last, after) = rest.split_once('.')?;
                Some(Self::Links(last.parse().ok()?, key(after)?))
            }
            _ => None,
        }
    }
}
