//! A redb file whose head is damaged: what every such file begins with is put back, or the records are
//! taken as they were before their last change. Only ever done to a copy.

use super::engine::EngineFault;
use super::kind::Opened;
use super::redb::{Redb, Way};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is the same in every file of this build: the name of the format, the sizes that it reckons with,
/// and the version of either root.
const SAME: [Range<usize>; 4] = [0..9, 12..24, 64..65, 192..193];
/// The length of all of the head.
const HEAD: usize = 320;
/// Where it stands which root is the last, and how it was written.
const STATE: usize = 9;
/// Which root is the last.
const LAST: u8 = 1;
/// The file is to be looked through before it is used.
const UNCLEAN: u8 = 2;
/// The last root is known to be sound: nobody may fall back to the other.
const CERTAIN: u8 = 4;

/// How a copy is mended before it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mend {
    Nothing,
    Head,
    Older,
}

/// Opens a copy of `source`, mended no more than it must be; `sound` is a file that begins as it should.
pub(super) fn open(
    source: &Path,
    copy: &Path,
    sound: &Path,
    cache: usize,
) -> Result<Opened, EngineFault> {
    let mut first = None;
    for mend in [Mend::Nothing, Mend::Head, Mend::Older] {
        let opened =
            mended(source, copy, sound, mend).and_then(|()| Redb::open(copy, cache, Way::Save));
        match opened {
            Ok(engine) => {
                let is_older = mend == Mend::Older;
                return Ok(Opened { engine: Box::new(engine), is_older });
            }
            // What was wrong at first is what there is to say.
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or_else(|| EngineFault::Damaged("it cannot be read".into())))
}

fn mended(source: &Path, copy: &Path, sound: &Path, mend: Mend) -> Result<(), EngineFault> {
    fs::copy(source, copy).map_err(|fault| EngineFault::from(fault).at(copy))?;
    if mend == Mend::Nothing {
        return Ok(());
    }
    let (mut head, mut model) = ([0; HEAD], [0; HEAD]);
    let file = File::options().read(true).write(true).open(copy)?;
    file.read_exact_at(&mut head, 0)?;
    File::open(sound)?.read_exact_at(&mut model, 0)?;
    for range in SAME {
        head[range.clone()].copy_from_slice(&model[range]);
    }
    head[STATE] |= UNCLEAN;
    if mend == Mend::Older {
        head[STATE] = (head[STATE] ^ LAST) & !CERTAIN;
    }
    file.write_all_at(&head, 0)?;
    Ok(())
}
