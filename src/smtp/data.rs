//! Message data: the end of DATA found at CRLF.CRLF and nowhere else, dot-stuffing undone, and every
//! line held to the rules, whether it came by DATA or by BDAT.

/// Longest line of a message, its CRLF included (RFC 5321 §4.5.3.1.6).
pub const TEXT_LINE_MAX: usize = 1000;

/// A rule that message data broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataFault {
    /// CR without LF.
    #[error("a CR without LF in the message")]
    BareCr,
    /// LF without CR.
    #[error("an LF without CR in the message")]
    BareLf,
    /// A NUL octet.
    #[error("a NUL in the message")]
    Nul,
    /// A line past [`TEXT_LINE_MAX`].
    #[error("a line of more than 1000 octets in the message")]
    LineTooLong,
}

/// Holds the lines of a message to the rules, wherever the input is cut.
#[derive(Debug, Clone, Default)]
pub struct LineRules {
    length: usize,
    after_cr: bool,
    fault: Option<DataFault>,
}

impl LineRules {
    /// Looks at the next octet.
    fn see(&mut self, octet: u8) {
        let broken = match octet {
            b'\n' if !self.after_cr => Some(DataFault::BareLf),
            0 => Some(DataFault::Nul),
            octet if self.after_cr && octet != b'\n' => Some(DataFault::BareCr),
            _ => None,
        };
        self.after_cr = octet == b'\r';
        self.length = if octet == b'\n' { 0 } else { self.length + 1 };
        let too_long = (self.length >= TEXT_LINE_MAX).then_some(DataFault::LineTooLong);
        self.fault = self.fault.or(broken).or(too_long);
    }

    /// Looks at octets of which none is a CR, an LF or a NUL, and before which none stands open.
    fn plain(&mut self, count: usize) {
        self.length += count;
        let too_long = (self.length >= TEXT_LINE_MAX).then_some(DataFault::LineTooLong);
        self.fault = self.fault.or(too_long);
    }

    /// Looks at the next octets of a message whose length is known.
    pub fn check(&mut self, mut octets: &[u8]) {
        while let Some((&first, rest)) = octets.split_first() {
            let run = if self.after_cr { 0 } else { plain_run(octets) };
            if run > 0 {
                self.plain(run);
                octets = &octets[run..];
            } else {
                self.see(first);
                octets = rest;
            }
        }
    }

    /// The first rule that was broken; at the end of a message, a CR left open counts too.
    #[must_use]
    pub fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    /// The first rule that was broken, once nothing more comes.
    #[must_use]
    pub fn fault_at_end(&self) -> Option<DataFault> {
        self.fault.or(self.after_cr.then_some(DataFault::BareCr))
    }
}

/// How many octets from the first on are no CR, LF or NUL.
fn plain_run(octets: &[u8]) -> usize {
    memchr::memchr3(b'\r', b'\n', 0, octets).unwrap_or(octets.len())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Inside,
    Cr,
    Dot,
    DotCr,
    Ended,
}

/// Takes the message out of DATA's stream.
#[derive(Debug)]
pub struct DataReader {
    place: Place,
    rules: LineRules,
}

impl Default for DataReader {
    fn default() -> Self {
        Self { place: Place::LineStart, rules: LineRules::default() }
    }
}

impl DataReader {
    /// Takes octets up to the end of data, adds the message's to `out`, and says how many it took.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while let Some(&octet) = input.get(taken) {
            if self.place == Place::Ended {
                return taken;
            }
            let is_text =
                self.place == Place::Inside || (self.place == Place::LineStart && octet != b'.');
            let run = if is_text { plain_run(&input[taken..]) } else { 0 };
            if run > 0 {
                self.rules.plain(run);
                out.extend_from_slice(&input[taken..taken + run]);
                self.place = Place::Inside;
                taken += run;
                continue;
            }
            taken += 1;
            let (place, keep): (Place, &[u8]) = match (self.place, octet) {
                //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2
                //# When a line of mail text is received by the SMTP server, it checks
                //# the line.  If the line is composed of a single period, it is
                //# treated as the end of mail indicator.
                (Place::LineStart, b'.') => (Place::Dot, b""),
                (Place::Dot, b'\r') => (Place::DotCr, b""),
                (Place::DotCr, b'\n') => (Place::Ended, b""),
                // A dot, a CR and no LF: not the end, and against the rules.
                (Place::DotCr, b'\r') => (Place::Cr, b"\r\r"),
                (Place::DotCr, _) => (Place::Inside, b"\r"),
                (Place::Cr, b'\n') => (Place::LineStart, b"\n"),
                (_, b'\r') => (Place::Cr, b"\r"),
                _ => (Place::Inside, b""),
            };
            match (self.place, octet, keep) {
                (_, _, b"\r" | b"\n" | b"\r\r") if self.place != Place::DotCr => {
                    self.rules.check(keep);
                    out.extend_from_slice(keep);
                }
                (Place::DotCr, _, kept) if place != Place::Ended => {
                    self.rules.check(b"\r");
                    self.rules.see(octet);
                    out.extend_from_slice(kept);
                    if octet != b'\r' {
                        out.push(octet);
                    }
                }
                _ if place == Place::Inside => {
                    self.rules.see(octet);
                    out.push(octet);
                }
                _ => {}
            }
            self.place = place;
        }
        input.len()
    }

    /// Whether the end of data was reached.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// The first rule that was broken.
    #[must_use]
    pub fn fault(&self) -> Option<DataFault> {
        self.rules.fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message, whether the end was found, the fault, and what was left, at every split.
    fn check(input: &[u8], message: &[u8], ended: bool, fault: Option<DataFault>) {
        for cut in 0..=input.len() {
            let mut reader = DataReader::default();
            let mut out = Vec::new();
            let (first, second) = input.split_at(cut);
            let mut taken = reader.feed(first, &mut out);
            if taken == first.len() {
                taken += reader.feed(second, &mut out);
            }
            assert_eq!(reader.ended(), ended, "{input:?} cut at {cut}");
            assert_eq!(reader.fault(), fault, "{input:?} cut at {cut}");
            if fault.is_none() {
                assert_eq!(out, message, "{input:?} cut at {cut}");
            }
            if !ended {
                assert_eq!(taken, input.len());
            }
        }
    }

    #[test]
    fn the_end_of_data_is_crlf_dot_crlf_and_dots_are_unstuffed() {
        check(b".\r\n", b"", true, None);
        check(b"a\r\n.\r\n", b"a\r\n", true, None);
        check(b"..\r\n...a\r\n.b\r\n.\r\n", b".\r\n..a\r\nb\r\n", true, None);
        check(b"a\r\n.", b"a\r\n", false, None);
    }

    #[test]
    fn no_other_end_of_data_is_taken() {
        use DataFault::{BareCr, BareLf, Nul};
        for (input, fault) in [
            (&b"a\n.\n"[..], BareLf),
            (b"a\n.\r\n", BareLf),
            (b"a\r\n.\n", BareLf),
            (b"a\r.\r", BareCr),
            (b"a\r.\n", BareCr),
            (b"a\n.\r", BareLf),
            (b"a\r.\r\n", BareCr),
            (b"a\r\n.\rx", BareCr),
            (b"a\r\n.\r\r", BareCr),
            (b"a\r\n\0.\r\n", Nul),
            (b"a\r\n.\0\r\n", Nul),
        ] {
            check(input, b"", false, Some(fault));
        }
    }

    #[test]
    fn a_line_may_be_1000_octets_long_and_no_longer() {
        let line = |length: usize| [vec![b'a'; length - 2], b"\r\n".to_vec()].concat();
        let mut rules = LineRules::default();
        rules.check(&line(TEXT_LINE_MAX));
        assert_eq!(rules.fault_at_end(), None);
        rules.check(&line(TEXT_LINE_MAX + 1));
        assert_eq!(rules.fault_at_end(), Some(DataFault::LineTooLong));
    }
}
