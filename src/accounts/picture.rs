//! Pictures that an account may show: raster pictures alone, since an SVG is a program.

use serde::{Deserialize, Serialize};

/// Most pixels of a side: a small file may hold a picture that takes a phone's memory.
pub const SIDE_MAX: u32 = 2_000;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl PictureKind {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// What the head of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// How it is written.
    pub kind: PictureKind,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Why a picture was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureFault {
    /// It is none of the kinds.
    #[error("the file is neither PNG nor JPEG nor WebP; SVG and others are not taken")]
    Kind,
    /// Its head is broken or cut.
    #[error("the picture is cut or damaged")]
    Damaged,
    /// It has too many pixels, or none.
    #[error("the picture is {0} × {1} pixels: take one of 1 to {SIDE_MAX} a side")]
    Side(u32, u32),
}

/// Reads what a picture says of itself. What it holds is for the reader's program, which is told the
/// kind and not to guess another.
///
/// # Errors
/// It is of no kind that is taken, damaged, or too large.
pub fn picture(bytes: &[u8]) -> Result<Picture, PictureFault> {
    let (kind, sides) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        (PictureKind::Png, png(bytes))
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        (PictureKind::Jpeg, jpeg(bytes))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        (PictureKind::Webp, webp(bytes))
    } else {
        return Err(PictureFault::Kind);
    };
    let (width, height) = sides.ok_or(PictureFault::Damaged)?;
    let fits = |side| (1..=SIDE_MAX).contains(&side);
    if !fits(width) || !fits(height) {
        return Err(PictureFault::Side(width, height));
    }
    Ok(Picture { kind, width, height })
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn pair(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

/// IHDR comes first, IEND, which holds nothing, last.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let ends = bytes.windows(8).rev().take(64).any(|end| end == b"IEND\xaeB`\x82");
    let is_whole = bytes.get(12..16)? == b"IHDR" && ends;
    is_whole.then(|| Some((big(bytes, 16)?, big(bytes, 20)?)))?
}

/// Segments up to the frame header, which names the sides; EOI at the end.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let (&[mark, kind], _) = bytes.get(at..)?.split_first_chunk::<2>()?;
        if mark != 0xff {
            return None;
        }
        match kind {
            // Fill bytes before a marker.
            0xff => at += 1,
            // SOF0 to SOF15, but for the three that are tables.
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                let ends = bytes.windows(2).rev().take(64).any(|end| end == b"\xff\xd9");
                return ends.then(|| Some((pair(bytes, at + 7)?, pair(bytes, at + 5)?)))?;
            }
            // The pixels begin, and no sides were named.
            0xda | 0xd9 => return None,
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => at += 2 + usize::try_from(pair(bytes, at + 2).filter(|long| *long >= 2)?).ok()?,
        }
    }
}

/// The first chunk names the sides, in a way of its own for each of the three forms.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize, long: usize| {
        let mut whole = [0; 4];
        whole.get_mut(..long)?.copy_from_slice(bytes.get(at..at + long)?);
        Some(u32::from_le_bytes(whole))
    };
    // The whole is as long as it says, but for a byte of padding.
    let said = usize::try_from(little(4, 4)?).ok()?.checked_add(8)?;
    if bytes.len() < said {
        return None;
    }
    match bytes.get(12..16)? {
        b"VP8X" => Some((little(24, 3)? + 1, little(27, 3)? + 1)),
        b"VP8L" => {
            let bits = little(21, 4).filter(|_| bytes.get(20) == Some(&0x2f))?;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8 " => {
            let is_key = bytes.get(23..26) == Some(b"\x9d\x01\x2a");
            is_key.then(|| Some((little(26, 2)? & 0x3fff, little(28, 2)? & 0x3fff)))?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x02\0\0\0....\0\0\0\0IEND\xaeB`\x82");
        bytes
    }

    fn a_jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\0\x04JF\xff\xff\xc0\0\x11\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(b"\x03\xff\xd9");
        bytes
    }

    fn a_webp(form: &[u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
        bytes.extend(form);
        bytes.extend([0; 4]);
        bytes.extend(rest);
        let long = u32::try_from(bytes.len() - 8).expect("short").to_le_bytes();
        bytes[4..8].copy_from_slice(&long);
        bytes
    }

    #[test]
    fn the_three_kinds_say_their_sides() {
        let lossless = (319_u32 | (99 << 14)).to_le_bytes();
        for (bytes, kind) in [
            (a_png(320, 100), PictureKind::Png),
            (a_jpeg(320, 100), PictureKind::Jpeg),
            (a_webp(b"VP8X", &[0, 0, 0, 0, 0x3f, 1, 0, 99, 0, 0]), PictureKind::Webp),
            (a_webp(b"VP8L", &[&[0x2f], &lossless[..]].concat()), PictureKind::Webp),
            (a_webp(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 100, 0]), PictureKind::Webp),
        ] {
            assert_eq!(picture(&bytes), Ok(Picture { kind, width: 320, height: 100 }));
            for cut in 0..bytes.len() {
                assert!(picture(&bytes[..cut]).is_err(), "{kind:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn no_other_kind_is_taken() {
        for bytes in [&b""[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a....", b"BM"]
        {
            assert_eq!(picture(bytes), Err(PictureFault::Kind));
        }
    }

    #[test]
    fn a_picture_of_endless_pixels_is_refused() {
        assert_eq!(picture(&a_png(50_000, 1)), Err(PictureFault::Side(50_000, 1)));
        assert_eq!(picture(&a_png(0, 10)), Err(PictureFault::Side(0, 10)));
        assert!(picture(&a_jpeg(2_001, 1)).is_err());
    }
}
