//! What must hold of a spool on whose disk anything may stand.

use relent::config;
use relent::events::message::owner;
use relent::spool::{Durability, Kind, Sequence, Spool};
use relent::world::World;
use std::path::Path;
use std::time::Duration;

/// Records read at a time.
const MANY: usize = 10_000;
/// The kind of the records that are ours.
const OURS: Kind = Kind(9);

/// Opens the spool with `input` for a segment, and with `input` after a record of our own: what was
/// written without the spool's salt is no record, and what was kept is still there.
pub fn spool(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let home = if Path::new("/dev/shm").is_dir() {
        tempfile::tempdir_in("/dev/shm").expect("a folder in memory")
    } else {
        tempfile::tempdir().expect("a folder")
    };
    let foreign = home.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a folder");
    std::fs::write(foreign.join(format!("{:016x}.seg", 1)), input).expect("a segment");
    // It may be refused; a salt that it brings itself makes it a spool as any.
    if let Ok(spool) = open(&foreign) {
        let _ = spool.read(Sequence(0), MANY).map(|records| records.len());
        runtime.block_on(spool.close());
    }
    let ours = home.path().join("ours");
    let spool = open(&ours).expect("a new spool");
    runtime.block_on(append(&spool, b"first"));
    runtime.block_on(spool.close());
    drop(spool);
    let segments =
        std::fs::read_dir(&ours).expect("its folder").map(|entry| entry.expect("an entry").path());
    let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "seg")).max();
    let segment = segment.expect("a segment");
    let written = std::fs::read(&segment).expect("its bytes");
    let end = written.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    std::fs::write(&segment, [&written[..end], input].concat()).expect("more bytes");
    let spool = open(&ours).expect("a damaged place is passed over");
    runtime.block_on(append(&spool, b"second"));
    assert_eq!(payloads(&spool), [&b"first"[..], b"second"]);
    runtime.block_on(spool.close());
    drop(spool);
    let spool = open(&ours).expect("the same again");
    assert_eq!(payloads(&spool), [&b"first"[..], b"second"]);
    runtime.block_on(spool.close());
}

fn open(folder: &Path) -> std::io::Result<Spool> {
    let settings = config::Spool { free_space_min: config::Size(0), ..config::Spool::default() };
    let (spool, _) =
        Spool::open(folder, &settings, owner(Duration::from_secs(3600)), &World::real())?;
    Ok(spool)
}

async fn append(spool: &Spool, payload: &[u8]) {
    let records = vec![(OURS, payload.to_vec())];
    spool.append(records, Durability::Synced).await.expect("appended");
}

fn payloads(spool: &Spool) -> Vec<Vec<u8>> {
    let records = spool.read(Sequence(0), MANY).expect("read");
    records.into_iter().map(|record| record.payload).collect()
}
