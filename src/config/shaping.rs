//! The shaping file: how many connections and messages each site is given, how fast, and what happens when
//! it says that this is too much. Read again when it changes; `config/shaping.toml` is its manual.

use super::load::refusal;
use super::{ConfigFault, Delivery, Rate, Span};
use crate::mail::Domain;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $key:ident: $kind:ty = $default:expr,)*) => {
        /// One table of the file: what it leaves out, the next one says.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Rules {
            hosts: Option<Vec<String>>,
            $($key: Option<$kind>,)*
        }

        /// All that binds one site.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Shape { $($(#[doc = $doc])* pub $key: $kind,)* }

        impl Default for Shape {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        /// Where each value of a shape comes from, by its key.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Sources(BTreeMap<&'static str, String>);

        impl Shape {
            fn lay(&mut self, rules: &Rules, source: &str, sources: &mut Sources) {
                $(if let Some(value) = &rules.$key {
                    self.$key = value.clone();
                    sources.0.insert(stringify!($key), source.to_owned());
                })*
            }

            /// Every key with its value as the file writes it, and where it comes from.
            #[must_use]
            pub fn values(&self, sources: &Sources) -> Vec<(&'static str, String, String)> {
                let from = |key: &str| {
                    sources.0.get(key).cloned().unwrap_or_else(|| "built in".to_owned())
                };
                vec![$((
                    stringify!($key),
                    self.$key.written(),
                    from(stringify!($key)),
                ),)*]
            }
        }

        /// The keys, each with its sentence.
        #[cfg(test)]
        const KEYS: &[(&str, &[&str])] = &[$((stringify!($key), &[$($doc),*]),)*];
    };
}

rules! {
    /// Most connections at a time; never more than a quarter of delivery.connections_max.
    connections_max: u32 = 10,
    /// Most messages over one connection.
    messages_per_connection_max: u32 = 100,
    /// Most messages in a time, as in "20/s", "600/m" or "1000/h"; "none" sets no limit.
    messages_rate_max: Rate = Rate::NONE,
    /// Most recipients of one message in one transaction; never more than delivery.recipients_per_transaction_max.
    recipients_per_transaction_max: u32 = 50,
    /// The pace to which a first answer of 421 or "too fast" brings a site that had no limit, unless half of what it took lately is more.
    slow_rate_start: Rate = Rate::new(1, 1),
    /// The slowest pace: each further such answer halves pace and connections down to this and to one connection.
    slow_rate_min: Rate = Rate::new(1, 60),
    /// Messages taken after which a slowed site is given one step more, which doubles its pace.
    slow_recover_messages: u32 = 100,
    /// Time without such an answer after which it is given one step more.
    slow_recover_after: Span = Span::minutes(5),
    /// Times in a row that no host of a site could be reached after which it is suspended.
    suspend_after: u32 = 3,
    /// Pauses of a suspended site, at whose end one attempt finds out how it is; the last repeats.
    suspend_pauses: Vec<Span> = [60, 300, 900, 1800, 3600].map(Span::seconds).to_vec(),
}

/// As the file writes a value.
trait Written {
    fn written(&self) -> String;
    /// Whether it would let nothing through.
    fn is_nothing(&self) -> bool;
}

impl Written for u32 {
    fn written(&self) -> String {
        self.to_string()
    }
    fn is_nothing(&self) -> bool {
        *self == 0
    }
}

impl Written for Rate {
    fn written(&self) -> String {
        format!("\"{self}\"")
    }
    fn is_nothing(&self) -> bool {
        false
    }
}

impl Written for Span {
    fn written(&self) -> String {
        format!("\"{self}\"")
    }
    fn is_nothing(&self) -> bool {
        self.0.is_zero()
    }
}

impl Written for Vec<Span> {
    fn written(&self) -> String {
        format!("[{}]", self.iter().map(Written::written).collect::<Vec<_>>().join(", "))
    }
    fn is_nothing(&self) -> bool {
        self.is_empty() || self.iter().any(Written::is_nothing)
    }
}

/// A name of a mail server in the file: whole, or `*.` and what it ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    text: String,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("*.").unwrap_or(text);
        let refuse = |fault: String| {
            format!(
                "`{text}` is no name of a mail server: {fault}: write one, as in \"mx.example.com\", \
                 or with what it ends in, as in \"*.example.com\""
            )
        };
        let named = Domain::parse(bare).map_err(|fault| refuse(fault.to_string()))?;
        if !bare.trim_end_matches('.').contains('.') {
            return Err(refuse("it has no dot".into()));
        }
        let star = if bare.len() == text.len() { "" } else { "*." };
        Ok(Self { text: format!("{star}{}", named.as_str()) })
    }

    /// Whether a host has such a name.
    #[must_use]
    pub fn fits(&self, host: &str) -> bool {
        match self.text.strip_prefix('*') {
            Some(end) => {
                let start = host.len().checked_sub(end.len()).filter(|start| *start > 0);
                start
                    .and_then(|start| host.get(start..))
                    .is_some_and(|last| last.eq_ignore_ascii_case(end))
            }
            None => host.eq_ignore_ascii_case(&self.text),
        }
    }

    /// As it was written, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A site of the file.
#[derive(Debug, Clone, PartialEq)]
struct Named {
    name: String,
    patterns: Vec<HostPattern>,
    rules: Rules,
}

/// The shaping file as it was read last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shaping {
    path: PathBuf,
    base: Shape,
    default: Rules,
    sites: Vec<Named>,
    domains: HashMap<Domain, Rules>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    default: Rules,
    site: BTreeMap<String, Rules>,
    domain: BTreeMap<String, Rules>,
}

impl Shaping {
    /// What holds without a file: the settings, and what is built in.
    #[must_use]
    pub fn none(delivery: &Delivery) -> Self {
        let base = Shape {
            connections_max: delivery.connections_per_site_max,
            messages_per_connection_max: delivery.messages_per_connection_max,
            recipients_per_transaction_max: delivery.recipients_per_transaction_max,
            ..Shape::default()
        };
        Self { base, ..Self::default() }
    }

    /// Reads and checks the file that the settings name; without one, see [`Shaping::none`].
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn load(delivery: &Delivery) -> Result<Self, ConfigFault> {
        let Some(path) = &delivery.shaping else { return Ok(Self::none(delivery)) };
        let text = std::fs::read_to_string(path).map_err(|fault| ConfigFault {
            path: path.clone(),
            line: None,
            key: None,
            reason: format!("{fault}; name a file that can be read in [delivery] shaping"),
        })?;
        Self::read(&text, path, delivery)
    }

    /// Reads and checks a file's text; `path` is what a fault names.
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn read(text: &str, path: &Path, delivery: &Delivery) -> Result<Self, ConfigFault> {
        let file: File = toml::from_str(text).map_err(|fault| refusal(text, path, &fault))?;
        let refuse = |key: &str, reason: String| Err(ConfigFault::of(text, path, key, reason));
        let mut read = Self { path: path.into(), ..Self::none(delivery) };
        if let Some((key, reason)) = wrong(&file.default, false) {
            return refuse(&format!("default.{key}"), reason);
        }
        read.default = file.default;
        for (name, rules) in file.site {
            let table = format!("site.{name}");
            if let Some((key, reason)) = wrong(&rules, true) {
                return refuse(&format!("{table}.{key}"), reason);
            }
            let (key, hosts) = match &rules.hosts {
                Some(hosts) => (format!("{table}.hosts"), hosts.clone()),
                None => (table, vec![name.clone()]),
            };
            let mut patterns = Vec::new();
            for host in hosts {
                match HostPattern::parse(&host) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(reason) => return refuse(&key, reason),
                }
            }
            read.sites.push(Named { name, patterns, rules });
        }
        for (name, rules) in file.domain {
            let table = format!("domain.{name}");
            if let Some((key, reason)) = wrong(&rules, false) {
                return refuse(&format!("{table}.{key}"), reason);
            }
            match Domain::parse(&name) {
                Ok(domain) => {
                    read.domains.insert(domain, rules);
                }
                Err(fault) => {
                    let reason = format!("`{name}`: {fault}: write [domain.\"example.com\"]");
                    return refuse(&table, reason);
                }
            }
        }
        Ok(read)
    }

    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        Some(self.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Whether a domain has a table of its own. It is then a site of its own, whoever its servers are: what
    /// holds for it alone could not be kept in a queue that it shares.
    #[must_use]
    pub fn is_apart(&self, domain: &Domain) -> bool {
        self.domains.contains_key(domain)
    }

    /// What holds for a domain with these mail servers: its own table before its site's before
    /// `[default]`, each key by itself. A site's table holds where *every* server fits one of its
    /// patterns: a backup elsewhere is not the provider's. Of several that fit, the one with the longest
    /// pattern holds.
    #[must_use]
    pub fn of<'a>(
        &self,
        domain: Option<&Domain>,
        hosts: &(impl Iterator<Item = &'a str> + Clone),
    ) -> (Shape, Sources) {
        let (mut shape, mut sources) = (self.base.clone(), Sources::default());
        for (key, from) in [
            ("connections_max", "[delivery] connections_per_site_max"),
            ("messages_per_connection_max", "[delivery] messages_per_connection_max"),
            ("recipients_per_transaction_max", "[delivery] recipients_per_transaction_max"),
        ] {
            sources.0.insert(key, from.to_owned());
        }
        let file = self.path.display();
        shape.lay(&self.default, &format!("{file} [default]"), &mut sources);
        if let Some(site) = self.site(hosts) {
            let source = format!("{file} [site.{}]", quoted(&site.name));
            shape.lay(&site.rules, &source, &mut sources);
        }
        if let Some((domain, rules)) =
            domain.and_then(|domain| Some((domain, self.domains.get(domain)?)))
        {
            let source = format!("{file} [domain.{}]", quoted(domain.as_str()));
            shape.lay(rules, &source, &mut sources);
        }
        (shape, sources)
    }

    fn site<'a>(&self, hosts: &(impl Iterator<Item = &'a str> + Clone)) -> Option<&Named> {
        let mut best: Option<(usize, &Named)> = None;
        for site in &self.sites {
            let (mut longest, mut count) = (0, 0);
            let all = hosts.clone().all(|host| {
                count += 1;
                let fit = site.patterns.iter().find(|pattern| pattern.fits(host));
                longest = longest.max(fit.map_or(0, |pattern| pattern.text.len()));
                fit.is_some()
            });
            if all && count > 0 && best.is_none_or(|(length, _)| longest > length) {
                best = Some((longest, site));
            }
        }
        best.map(|(_, site)| site)
    }
}

/// A name as a table's heading has it.
fn quoted(name: &str) -> String {
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_bare { name.to_owned() } else { format!("\"{name}\"") }
}

/// What is wrong with a table: the key, and why.
fn wrong(rules: &Rules, is_site: bool) -> Option<(&'static str, String)> {
    if !is_site && rules.hosts.is_some() {
        return Some(("hosts", "only a site has hosts: write it in a [site.NAME]".into()));
    }
    if rules.hosts.as_ref().is_some_and(Vec::is_empty) {
        let reason = "it is empty: name at least one, as in [\"*.example.com\"]";
        return Some(("hosts", reason.into()));
    }
    let nothing = |value: Option<bool>| value == Some(true);
    for (key, is_nothing) in [
        ("connections_max", nothing(rules.connections_max.as_ref().map(Written::is_nothing))),
        (
            "messages_per_connection_max",
            nothing(rules.messages_per_connection_max.as_ref().map(Written::is_nothing)),
        ),
        (
            "recipients_per_transaction_max",
            nothing(rules.recipients_per_transaction_max.as_ref().map(Written::is_nothing)),
        ),
        (
            "slow_recover_messages",
            nothing(rules.slow_recover_messages.as_ref().map(Written::is_nothing)),
        ),
        ("slow_recover_after", nothing(rules.slow_recover_after.as_ref().map(Written::is_nothing))),
        ("suspend_after", nothing(rules.suspend_after.as_ref().map(Written::is_nothing))),
        ("suspend_pauses", nothing(rules.suspend_pauses.as_ref().map(Written::is_nothing))),
    ] {
        if is_nothing {
            let reason = "it must be more than nothing: leave it out for the default; \
                          `relent delivery suspend` keeps mail from a site";
            return Some((key, reason.into()));
        }
    }
    for (key, rate) in
        [("slow_rate_start", rules.slow_rate_start), ("slow_rate_min", rules.slow_rate_min)]
    {
        if rate.is_some_and(|rate| rate == Rate::NONE) {
            return Some((key, "a slowed site has a pace: write one, as in \"1/m\"".into()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: &str = include_str!("../../config/shaping.toml");

    fn read(text: &str) -> Shaping {
        let read = Shaping::read(text, Path::new("shaping.toml"), &Delivery::default());
        read.expect("a shaping file")
    }

    fn fault(text: &str) -> String {
        let read = Shaping::read(text, Path::new("shaping.toml"), &Delivery::default());
        read.expect_err("must be refused").to_string()
    }

    fn of(shaping: &Shaping, domain: &str, hosts: &[&str]) -> (Shape, Sources) {
        let domain = Domain::parse(domain).expect("a domain");
        shaping.of(Some(&domain), &hosts.iter().copied())
    }

    #[test]
    fn the_manual_names_every_key_with_its_default_and_its_sentence() {
        let sheet = read(SHEET);
        assert_eq!(of(&sheet, "a.example", &["mx.a.example"]).0, Shape::default());
        let (mut found, mut comment) = (Vec::new(), Vec::new());
        let head = &SHEET[..SHEET.find("\n[site.").expect("sites")];
        for line in head.lines().filter(|line| !line.starts_with("#:")) {
            if let Some(words) = line.strip_prefix("# ") {
                comment.push(words);
            } else if let Some((name, _)) = line.split_once(" = ") {
                found.push((name.to_owned(), std::mem::take(&mut comment).join(" ")));
            } else {
                comment.clear();
            }
        }
        let keys: Vec<_> = KEYS
            .iter()
            .map(|(key, words)| {
                let words: Vec<_> = words.iter().map(|line| line.trim()).collect();
                ((*key).to_owned(), words.join(" "))
            })
            .collect();
        assert_eq!(found, keys);
    }

    #[test]
    fn what_a_domain_says_goes_before_its_site_and_that_before_the_default() {
        let text = "[default]\nconnections_max = 4\nsuspend_after = 9\n\
                    [site.\"*.big.example\"]\nconnections_max = 20\nmessages_rate_max = \"20/s\"\n\
                    [domain.\"one.example\"]\nmessages_rate_max = \"600/m\"\n";
        let shaping = read(text);
        let (shape, sources) = of(&shaping, "one.example", &["mx1.big.example", "MX2.Big.example"]);
        assert_eq!((shape.connections_max, shape.suspend_after), (20, 9));
        assert_eq!(shape.messages_rate_max.to_string(), "600/m");
        let values = shape.values(&sources);
        let from = |key: &str| {
            let found = values.iter().find(|(name, _, _)| *name == key);
            found.map(|(_, _, source)| source.as_str()).expect("a key")
        };
        assert_eq!(from("connections_max"), "shaping.toml [site.\"*.big.example\"]");
        assert_eq!(from("messages_rate_max"), "shaping.toml [domain.\"one.example\"]");
        assert_eq!(from("suspend_after"), "shaping.toml [default]");
        assert_eq!(from("slow_rate_min"), "built in");
        assert_eq!(from("messages_per_connection_max"), "[delivery] messages_per_connection_max");
        assert!(shaping.is_apart(&Domain::parse("ONE.example").expect("a domain")));
    }

    #[test]
    fn a_provider_has_what_its_own_servers_take_and_no_backup_elsewhere() {
        let text = "[site.big]\nhosts = [\"*.big.example\", \"mx.big.example.net\"]\n\
                    connections_max = 20\n[site.\"*.in.big.example\"]\nconnections_max = 3\n";
        let shaping = read(text);
        let most = |hosts: &[&str]| of(&shaping, "a.example", hosts).0.connections_max;
        assert_eq!(most(&["a.big.example", "mx.big.example.net"]), 20);
        assert_eq!(most(&["a.big.example", "mx.a.example"]), 10, "a backup elsewhere");
        assert_eq!(most(&["1.in.big.example", "2.in.big.example"]), 3, "the longer pattern");
        assert_eq!(most(&["big.example"]), 10, "`*.` is at least one label");
        assert_eq!(most(&[]), 10);
    }

    #[test]
    fn a_fault_names_file_line_key_and_what_to_write() {
        for (text, words) in [
            (
                "[default]\nconnection_max = 4\n",
                &["shaping.toml:2: default.connection_max: ", "`connections_max`"][..],
            ),
            (
                "[site.\"*.b.example\"]\nmessages_rate_max = \"fast\"\n",
                &["shaping.toml:2: site.*.b.example.messages_rate_max: `fast`", "\"20/s\""],
            ),
            ("[default]\nconnections_max = 0\n", &[":2: default.connections_max: it must be more"]),
            ("[domain.\"a b\"]\n", &["shaping.toml:1: domain.a b: `a b`", "[domain."]),
            ("[site.google]\n", &["shaping.toml:1: site.google: `google`", "*.example.com"]),
            (
                "[site.x]\nhosts = [\"*.*.example\"]\n",
                &["shaping.toml:2: site.x.hosts: `*.*.example` is no name"],
            ),
            ("[default]\nhosts = [\"a.example\"]\n", &[":2: default.hosts: only a site"]),
            (
                "[default]\nsuspend_pauses = [\"1m\", \"0s\"]\n",
                &["shaping.toml:2: default.suspend_pauses: it must be more"],
            ),
            ("[default]\nslow_rate_min = \"none\"\n", &[":2: default.slow_rate_min: a slowed"]),
            ("[defaults]\n", &["shaping.toml:1: defaults: ", "`default`"]),
        ] {
            let said = fault(text);
            for word in words {
                assert!(said.contains(word), "{text}{said}");
            }
        }
    }
}
