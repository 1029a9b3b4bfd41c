//! Reading a segment's records in order, passing over bodies and over what is damaged.

use super::Record;
use super::format::{SEGMENT_HEADER, Window};
use super::shared::{Segment, Shared};
use crate::world::DiskFile;

/// From the first record of a segment on, whatever its sequence.
pub(super) const WHOLE: (u64, u64) = (SEGMENT_HEADER, 0);

impl Shared {
    /// Hands over the records of a segment that lie at or after `offset` and whose sequence is `from` or
    /// later, each with its place, until `each` says false; where that was.
    pub(super) fn walk(
        &self,
        (number, segment, file): (u64, &Segment, &dyn DiskFile),
        (mut offset, from): (u64, u64),
        mut each: impl FnMut(u64, Record) -> bool,
    ) -> u64 {
        let mut window = Window::new(file, segment.length, segment.version, self.salt);
        while offset < segment.length {
            if let Some(end) = segment.past_damage(offset) {
                offset = end;
                continue;
            }
            match window.head(offset) {
                Some(head) if head.is_body() || head.sequence < from => {
                    offset += head.span();
                    continue;
                }
                Some(head) => {
                    if let Some((_, record)) = window.record(offset) {
                        let goes_on = each(offset, record);
                        offset += head.span();
                        if goes_on {
                            continue;
                        }
                        return offset;
                    }
                }
                None => {}
            }
            let end = window.resync(offset + 1).unwrap_or(segment.length);
            tracing::error!(target: "relent::spool", segment = number, start = offset, end,
                "a place in the spool became unreadable and was passed over");
            metrics::counter!("relent_spool_damaged_total").increment(1);
            self.keep_whole(number);
            offset = end;
        }
        offset
    }
}
