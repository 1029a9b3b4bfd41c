//! MTA-STS (RFC 8461): what a domain's record and its policy say. Pure.

use std::time::Duration;

/// Longest `max_age` that means anything (RFC 8461 §3.2).
const AGE_MAX: u64 = 31_557_600;
/// Most patterns of mail hosts that are read.
const PATTERNS_MAX: usize = 200;

/// How far a policy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) enum Mode {
    /// No mail but to the hosts named, over TLS, with a certificate in order.
    Enforce,
    /// What would fail is counted, and sent.
    Testing,
    /// There is no policy any more.
    None,
}

impl Mode {
    /// As a policy has it.
    pub(in crate::delivery) const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::delivery) struct Policy {
    pub(in crate::delivery) mode: Mode,
    /// The mail hosts: names, or `*.` and a name for all those right below it.
    pub(in crate::delivery) hosts: Vec<String>,
    pub(in crate::delivery) max_age: Duration,
}

/// The id of the policy that a domain has, by its TXT records: none unless exactly one of them begins as
/// it must (RFC 8461 §3.1).
pub(in crate::delivery) fn id(records: &[String]) -> Option<String> {
    let mut ours = records.iter().filter(|text| {
        text.strip_prefix("v=STSv1").is_some_and(|rest| rest.trim_start().starts_with(';'))
    });
    let (Some(one), None) = (ours.next(), ours.next()) else { return None };
    let pairs = one.split(';').filter_map(|pair| pair.split_once('='));
    let id = pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == "id")?.1;
    let is_sound = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    is_sound.then(|| id.to_owned())
}

impl Policy {
    /// Reads a policy. What it does not know is passed over (RFC 8461 §3.2).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::delivery) fn read(text: &str) -> Result<Self, String> {
        let (mut version, mut mode, mut max_age, mut hosts) = (None, None, None, Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let Some((key, value)) = line.split_once(':') else {
                return Err(format!("a line without a colon: {}", short(line)));
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "version" => {
                    version.get_or_insert(value);
                }
                "mode" => {
                    mode.get_or_insert(value);
                }
                "max_age" => {
                    max_age.get_or_insert(value);
                }
                "mx" if hosts.len() < PATTERNS_MAX => {
                    if !is_pattern(value) {
                        return Err(format!("mx: {} is no name", short(value)));
                    }
                    hosts.push(value.trim_end_matches('.').to_ascii_lowercase());
                }
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("its version is not STSv1".into());
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            other => return Err(format!("mode: {} is none", short(other.unwrap_or_default()))),
        };
        let digits =
            max_age.filter(|age| age.len() <= 10 && age.bytes().all(|b| b.is_ascii_digit()));
        let seconds = digits.and_then(|age| age.parse::<u64>().ok());
        let seconds = seconds.ok_or("max_age is no number of seconds")?;
        if hosts.is_empty() && mode != Mode::None {
            return Err("it names no mail host".into());
        }
        Ok(Self { mode, hosts, max_age: Duration::from_secs(seconds.min(AGE_MAX)) })
    }

    /// Whether a mail host is one of those named. A `*` stands for one label, the first (RFC 8461 §4.1).
    pub(in crate::delivery) fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => *pattern == host,
        })
    }
}

fn is_pattern(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text).trim_end_matches('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_a_policy_only_if_it_stands_alone() {
        let id =
            |records: &[&str]| id(&records.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1;id=a1"]).as_deref(), Some("a1"));
        assert_eq!(id(&["v=STSv1 ; x=y; id = 7"]).as_deref(), Some("7"));
        for none in [
            &[][..],
            &["v=STSv1; id=1", "v=STSv1; id=2"],
            &["v=STSv1"],
            &["v=STSv10; id=1"],
            &["id=1; v=STSv1"],
            &["v=STSv1; id=a-b"],
            &["v=STSv1; id="],
        ] {
            assert_eq!(id(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_policy_is_read_and_what_is_none_is_not() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\nmx: *.example.net\r\n\
                    future: yes\r\nmax_age: 604800\r\nmode: none\r\n";
        let policy = Policy::read(text).expect("a policy");
        assert_eq!((policy.mode, policy.max_age.as_secs()), (Mode::Enforce, 604_800));
        let age = |text: &str| Policy::read(text).map(|policy| policy.max_age.as_secs());
        assert_eq!(age("version:STSv1\nmode:none\nmax_age:9999999999\n"), Ok(AGE_MAX));
        for (host, is_named) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("other.example.com", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            (".example.net", false),
        ] {
            assert_eq!(policy.names(host), is_named, "{host}");
        }
        for (wrong, why) in [
            ("", "version"),
            ("version: STSv2\nmode: none\nmax_age: 1\n", "version"),
            ("version: STSv1\nmode: strict\nmx: a\nmax_age: 1\n", "mode: strict"),
            ("version: STSv1\nmode: enforce\nmax_age: 1\n", "no mail host"),
            ("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n", "mx: a b"),
            ("version: STSv1\nmode: enforce\nmx: *.*.a\nmax_age: 1\n", "mx: *.*.a"),
            ("version: STSv1\nmode: none\nmax_age: soon\n", "max_age"),
            ("version: STSv1\nmode: none\n", "max_age"),
            ("<html>not found</html>", "colon"),
        ] {
            let fault = Policy::read(wrong).expect_err("no policy");
            assert!(fault.contains(why), "{wrong}: {fault}");
        }
    }
}
