//! An account's colour, and the shade of it in which everybody can read: what people are shown keeps
//! the contrast that WCAG 2.2 asks for, whatever colour a house has.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Least contrast of text with what is behind it (WCAG 2.2, success criterion 1.4.3).
pub const CONTRAST_MIN: f64 = 4.5;
/// Shades that are tried between a colour and black or white.
const STEPS: u32 = 64;

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

/// A text that names no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no colour: write it as #rrggbb, as in #0a6b3d")]
pub struct ColourFault(String);

impl FromStr for Colour {
    type Err = ColourFault;

    fn from_str(text: &str) -> Result<Self, ColourFault> {
        let digits = text.trim().strip_prefix('#').unwrap_or_default();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = match digits.len() {
            6 if is_hex => digits.to_owned(),
            3 if is_hex => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => return Err(ColourFault(text.chars().take(40).collect())),
        };
        let part = |at: usize| u8::from_str_radix(&whole[at..at + 2], 16).unwrap_or_default();
        Ok(Self([part(0), part(2), part(4)]))
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourFault;
    fn try_from(text: String) -> Result<Self, ColourFault> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

/// As style sheets write it.
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);

    /// Relative luminance, from 0 to 1, as WCAG defines it.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The contrast of two colours, from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Part of the way to another colour.
    fn towards(self, other: Self, step: u32) -> Self {
        let mut parts = self.0;
        for (part, goal) in parts.iter_mut().zip(other.0) {
            let mixed = u32::from(*part) * (STEPS - step) + u32::from(goal) * step;
            *part = u8::try_from(mixed / STEPS).unwrap_or(u8::MAX);
        }
        Self(parts)
    }

    /// The nearest shade of it that can be read on a background, and on which the background's colour
    /// can be read: darker on light, lighter on dark. Itself, where it can be.
    #[must_use]
    pub fn readable_on(self, background: Self) -> Self {
        let goal = match Self::BLACK.contrast(background) > Self::WHITE.contrast(background) {
            true => Self::BLACK,
            false => Self::WHITE,
        };
        (0..=STEPS)
            .map(|step| self.towards(goal, step))
            .find(|shade| shade.contrast(background) >= CONTRAST_MIN)
            .unwrap_or(goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().expect("a colour")
    }

    #[test]
    fn a_colour_is_written_as_style_sheets_write_it() {
        assert_eq!(colour("#0A6b3d").to_string(), "#0a6b3d");
        assert_eq!(colour(" #fa0 ").to_string(), "#ffaa00");
        for wrong in ["", "red", "#12345", "0a6b3d", "#ggg", "#+1-2+3", "#12345678", "#é1"] {
            let fault = Colour::from_str(wrong).expect_err("no colour");
            assert!(fault.to_string().contains("#rrggbb"), "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 1e-9);
        // A grey that is known to pass by little, and its neighbour, which does not.
        assert!(colour("#767676").contrast(Colour::WHITE) >= CONTRAST_MIN);
        assert!(colour("#777777").contrast(Colour::WHITE) < CONTRAST_MIN);
    }

    #[test]
    fn every_colour_has_a_shade_that_can_be_read() {
        let grounds = [Colour::WHITE, colour("#14171a"), Colour::BLACK];
        for code in (0..=0xff_ffff_u32).step_by(4_099) {
            let [_, parts @ ..] = code.to_be_bytes();
            for ground in grounds {
                let shade = Colour(parts).readable_on(ground);
                assert!(shade.contrast(ground) >= CONTRAST_MIN, "{shade} on {ground}");
            }
        }
    }

    #[test]
    fn a_colour_that_can_be_read_is_left_alone() {
        assert_eq!(colour("#0a6b3d").readable_on(Colour::WHITE), colour("#0a6b3d"));
        let yellow = colour("#ffee00");
        let shade = yellow.readable_on(Colour::WHITE);
        assert!(shade != yellow && shade.0[0] > shade.0[2], "{shade} is no yellow any more");
        assert_eq!(yellow.readable_on(Colour::BLACK), yellow);
    }
}
