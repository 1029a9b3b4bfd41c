//! A chain on a real engine, and every way to tamper with it behind the store's back.

use super::verify::{Checked, Finding};
use super::*;
use crate::config;
use crate::mail::{AccountId, Timestamp};
use crate::store::engine::Change;
use crate::store::{Record, Store, Table};
use crate::world::World;
use std::convert::Infallible;
use std::path::Path;

fn open(home: &Path) -> (Store, Author, Audit) {
    let world = World::real();
    let store = Store::open(home, &config::Store::default(), &world);
    let author = Author::new(world).by(Actor::operator(Some("root".into())));
    (store.clone(), author, Audit::new(store))
}

/// Writes so many entries.
async fn write(store: &Store, author: &Author, count: u64) {
    let author = author.clone();
    let written = store.transact(move |t| {
        for number in 0..count {
            author.write(t, Act::new(AccountId(1), "stream.added").with("number", number))?;
        }
        Ok(Ok::<_, Infallible>(()))
    });
    let Ok(()) = written.await.expect("store");
}

/// Checks the whole chain.
fn check(audit: &Audit) -> Checked {
    let (mut all, mut place) = (Checked::default(), None);
    loop {
        let page = audit.check(place).expect("store");
        all.looked += page.looked;
        all.erased += page.erased;
        all.expired += page.expired;
        all.findings.extend(page.findings);
        let Some(next) = page.next else { return all };
        assert_eq!(Place::read(&next.to_string()).as_ref(), Some(&next));
        place = Some(next);
    }
}

async fn put<R: Record + Clone + Sync>(store: &Store, key: &[u8], record: Option<R>) {
    let key = key.to_vec();
    let done = store.transact(move |t| {
        match record {
            Some(record) => t.put(&key, &record),
            None => t.remove::<R>(&key),
        }
        Ok(Ok::<_, Infallible>(()))
    });
    let Ok(()) = done.await.expect("store");
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn link(store: &Store, number: u64) -> Link {
    store.get(&key(number)).expect("store").expect("a link")
}

fn payload(store: &Store, number: u64) -> Payload {
    store.get(&key(number)).expect("store").expect("words")
}

fn bytes(store: &Store, table: Table, number: u64) -> Vec<u8> {
    store.engine().get(table, &key(number)).expect("engine").expect("a row")
}

fn raw(store: &Store, table: Table, key: &[u8], value: Option<Vec<u8>>) {
    let change = Change { table, key: key.to_vec(), value };
    store.engine().commit(&[change]).expect("engine");
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_whole_over_many_pages() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    assert_eq!(check(&audit), Checked::default());
    write(&store, &author, 5000).await;
    let checked = check(&audit);
    assert_eq!((checked.looked, checked.findings), (5000, Vec::new()));
}

/// One byte of any row, at any place in it, without any regard for checksums.
#[tokio::test]
async fn a_flipped_byte_of_any_row_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    write(&store, &author, 9).await;
    for (table, finding) in [
        (Table::Audit, Finding::LinkUnreadable(4)),
        (Table::AuditPayload, Finding::WordsUnreadable(4)),
    ] {
        let whole = bytes(&store, table, 4);
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            raw(&store, table, &key(4), Some(damaged));
            let found = check(&audit).findings;
            assert!(found.contains(&finding), "{place}: {found:?}");
        }
        raw(&store, table, &key(4), Some(whole));
        assert_eq!(check(&audit).findings, []);
    }
}

/// Rows that are well-formed, by somebody who knows how the store writes them.
#[tokio::test]
async fn a_changed_row_that_looks_whole_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    write(&store, &author, 9).await;
    let kept = link(&store, 4);
    let changes: [fn(&mut Link); 3] = [
        |link| link.at = Timestamp(link.at.0 + 1),
        |link| link.digest[0] ^= 1,
        |link| link.bound[31] ^= 1,
    ];
    for change in changes {
        let mut link = kept;
        change(&mut link);
        put(&store, &key(4), Some(link)).await;
        let found = check(&audit).findings;
        assert!(found.contains(&Finding::Link(4)), "{found:?}");
        assert!(!found.contains(&Finding::Link(3)) && !found.contains(&Finding::Link(6)));
    }
    put(&store, &key(4), Some(kept)).await;
    let Payload::Whole { salt, said } = payload(&store, 4) else { unreachable!("it is whole") };
    let other = said.replace("root", "ruth");
    assert_ne!(other, said);
    put(&store, &key(4), Some(Payload::Whole { salt, said: other })).await;
    assert_eq!(check(&audit).findings, [Finding::Words(4)]);
    put(&store, &key(4), Some(Payload::Whole { salt: [0; 16], said })).await;
    assert_eq!(check(&audit).findings, [Finding::Words(4)]);
}

#[tokio::test]
async fn deleted_inserted_and_swapped_rows_are_named() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    write(&store, &author, 9).await;
    let (four, said) = (link(&store, 4), payload(&store, 4));
    // Deleted.
    put::<Link>(&store, &key(4), None).await;
    let found = check(&audit).findings;
    assert_eq!(found, [Finding::Missing(4, 4), Finding::Stray(4)]);
    put(&store, &key(4), Some(four)).await;
    put::<Payload>(&store, &key(4), None).await;
    assert_eq!(check(&audit).findings, [Finding::WordsMissing(4)]);
    // A lie about an erasure: entry 7 tells of none.
    put(&store, &key(4), Some(Payload::Erased(7))).await;
    assert_eq!(check(&audit).findings, [Finding::NotErased(4, 7)]);
    put(&store, &key(4), Some(said.clone())).await;
    // Inserted past the end, before the beginning, and under keys that are none.
    let forged = Link::new(&link(&store, 9).bound, 10, Timestamp(5), [3; 32]);
    put(&store, &key(10), Some(forged)).await;
    put(&store, &key(10), Some(said.clone())).await;
    assert_eq!(check(&audit).findings, [Finding::PastHead(10)]);
    put::<Link>(&store, &key(10), None).await;
    assert_eq!(check(&audit).findings, [Finding::Stray(10)]);
    put::<Payload>(&store, &key(10), None).await;
    for place in [&key(0)[..], b"odd", &[0, 0, 0, 0, 0, 0, 0, 4, 9]] {
        put(&store, place, Some(four)).await;
        let found = check(&audit).findings;
        assert!(matches!(found[..], [Finding::StrayRow(Table::Audit, _)]), "{found:?}");
        put::<Link>(&store, place, None).await;
        put(&store, place, Some(said.clone())).await;
        let found = check(&audit).findings;
        assert!(matches!(found[..], [Finding::StrayRow(Table::AuditPayload, _)]), "{found:?}");
        put::<Payload>(&store, place, None).await;
    }
    // Swapped, links or words.
    let five = link(&store, 5);
    put(&store, &key(4), Some(five)).await;
    put(&store, &key(5), Some(four)).await;
    let found = check(&audit).findings;
    assert!(found.contains(&Finding::Link(4)) && found.contains(&Finding::Link(5)), "{found:?}");
    put(&store, &key(4), Some(four)).await;
    put(&store, &key(5), Some(five)).await;
    let other = payload(&store, 5);
    put(&store, &key(4), Some(other)).await;
    put(&store, &key(5), Some(said.clone())).await;
    assert_eq!(check(&audit).findings, [Finding::Words(4), Finding::Words(5)]);
}

#[tokio::test]
async fn a_chain_cut_off_or_made_anew_is_found_by_its_head_or_by_what_was_noted() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    let notes = Notes::new(home.path(), &[7; 32], 10);
    write(&store, &author, 9).await;
    let noted = audit.note(&notes, Timestamp(5)).await.expect("noted").expect("a new head");
    assert_eq!(noted.sequence, 9);
    assert_eq!(audit.note(&notes, Timestamp(6)).await.expect("nothing new"), None);
    assert_eq!(audit.check_notes(&notes).expect("read"), []);
    write(&store, &author, 1).await;
    // The last rows are gone, and the head still tells of them.
    for number in [9, 10] {
        put::<Link>(&store, &key(number), None).await;
        put::<Payload>(&store, &key(number), None).await;
    }
    assert_eq!(check(&audit).findings, [Finding::Missing(9, 10)]);
    // The head was set back as well: only the note tells.
    let head = Head { sequence: 8, bound: link(&store, 8).bound };
    put(&store, b"audit/head", Some(head)).await;
    assert_eq!(check(&audit).findings, []);
    assert_eq!(audit.check_notes(&notes).expect("read"), [Finding::Noted(9)]);
    // It went on since, so that an entry 9 is there again, and it is another.
    write(&store, &author, 4).await;
    assert_eq!(check(&audit).findings, []);
    assert_eq!(audit.check_notes(&notes).expect("read"), [Finding::Noted(9)]);
    put::<Head>(&store, b"audit/head", None).await;
    assert_eq!(check(&audit).findings, [Finding::HeadMissing]);
    let wrong = Head { sequence: 12, bound: [1; 32] };
    put(&store, b"audit/head", Some(wrong)).await;
    assert_eq!(check(&audit).findings, [Finding::Head(12)]);
}

#[tokio::test]
async fn a_lost_head_writes_over_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    write(&store, &author, 3).await;
    let third = link(&store, 3);
    put::<Head>(&store, b"audit/head", None).await;
    write(&store, &author, 1).await;
    assert_eq!(link(&store, 3), third);
    assert_eq!(audit.head().expect("store").sequence, 4);
    assert_eq!(check(&audit).findings, []);
}

#[tokio::test]
async fn notes_that_were_changed_or_lost_are_named_and_old_ones_go() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    let notes = Notes::new(home.path(), &[7; 32], 3);
    let path = home.path().join("audit").join("heads");
    for number in 1..=6 {
        write(&store, &author, 1).await;
        let noted = audit.note(&notes, Timestamp(number)).await.expect("noted");
        assert_eq!(noted.map(|head| head.sequence), Some(number));
    }
    let whole = std::fs::read_to_string(&path).expect("the notes");
    assert_eq!(whole.lines().count(), 3, "the oldest are gone: {whole}");
    assert_eq!(audit.check_notes(&notes).expect("read"), []);
    let other = Notes::new(home.path(), &[8; 32], 3);
    assert!(!audit.check_notes(&other).expect("read").is_empty(), "another key signed them");
    let said = |notes: &Notes| {
        let found = audit.check_notes(notes).expect("read");
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    std::fs::write(&path, whole.replacen("\n5 ", "\n7 ", 1)).expect("changed");
    assert!(said(&notes).contains("line 2 of"), "{}", said(&notes));
    let cut: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, cut).expect("cut");
    assert!(said(&notes).contains("is cut off: entry 6"), "{}", said(&notes));
    std::fs::remove_file(&path).expect("removed");
    assert!(said(&notes).contains("is cut off: entry 6"), "{}", said(&notes));
    // Half a line at the end is what a power cut leaves.
    std::fs::write(&path, format!("{whole}7 ab")).expect("torn");
    assert_eq!(said(&notes), "");
    write(&store, &author, 1).await;
    audit.note(&notes, Timestamp(9)).await.expect("noted");
    assert_eq!(said(&notes), "", "what was half there made way");
}

#[tokio::test]
async fn words_whose_time_is_over_go_and_the_chain_stays_whole() {
    let home = tempfile::tempdir().expect("a folder");
    let (store, author, audit) = open(home.path());
    write(&store, &author, 2500).await;
    let relent = author.by(Actor::Relent);
    assert_eq!(audit.expire(&relent, Timestamp(0)).await.expect("store"), 0);
    let soon = World::real().clock.now().after(std::time::Duration::from_secs(60));
    assert_eq!(audit.expire(&relent, soon).await.expect("store"), 2000);
    let checked = check(&audit);
    assert_eq!((checked.looked, checked.expired, checked.findings), (2501, 2000, Vec::new()));
    let Some(Entry { words, .. }) = audit.entry(7).expect("store") else {
        unreachable!("it stays")
    };
    assert_eq!(words, Words::Gone);
    // Nobody's words were erased by an entry before them, nor by one that can say nothing any more.
    let said = payload(&store, 2300);
    put(&store, &key(2300), Some(Payload::Erased(1))).await;
    assert_eq!(check(&audit).findings, [Finding::NotErased(2300, 1)]);
    put(&store, &key(2300), Some(said)).await;
    // Words that went without their time being over are missing.
    put::<Payload>(&store, &key(2400), None).await;
    assert_eq!(check(&audit).findings, [Finding::WordsMissing(2400)]);
}
