//! Lists of stops as other services export them, so that who moves over mails nobody who had refused: what
//! their columns are called, and what each row means here.

use super::cells::{Cells, Column};
use super::service_lists::LISTS;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;

/// Most characters of evidence that a row keeps, as the API takes them.
const TEXT_MAX: usize = 1000;
/// Most characters of a word that a refusal repeats.
const REPEATED_MAX: usize = 80;

/// What a row of a list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The person asked.
    OptOut,
    /// The person complained.
    Complaint,
    /// The address is dead.
    HardBounce,
    /// The account said so.
    Manual,
    /// No stop follows from it; why.
    LeftOut(&'static str),
}

/// What a row means whose columns say these words; the first rule that fits holds. A word that ends in `*`
/// is the beginning of one.
pub(super) struct Rule {
    pub(super) when: &'static [(&'static str, &'static [&'static str])],
    pub(super) then: Meaning,
}

/// One kind of list of one service. Columns are named in small letters and digits alone.
pub(super) struct List {
    /// The service, as `--from` takes it.
    pub(super) service: &'static str,
    /// The service, as people write it.
    pub(super) title: &'static str,
    /// The list, as `--from SERVICE:LIST` takes it.
    pub(super) name: &'static str,
    /// Columns that it has, each under any of these names.
    pub(super) has: &'static [&'static [&'static str]],
    /// Columns that it may have; `*`: any.
    pub(super) may: &'static [&'static str],
    /// Where it is known without being named: columns that must be there as well.
    pub(super) tells: Option<&'static [&'static str]>,
    /// Columns of a file without names, where it may have none.
    pub(super) bare: &'static [&'static str],
    pub(super) recipient: &'static [&'static str],
    pub(super) at: &'static [&'static str],
    /// Hours ahead of UTC by which times without a zone are told.
    pub(super) ahead: i8,
    /// The group or tag that an unsubscribe is of.
    pub(super) group: &'static [&'static str],
    pub(super) rules: &'static [Rule],
}

/// Where a list is said to come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum From {
    /// Nothing is said: what is beyond doubt is recognised.
    #[default]
    Unsaid,
    /// It is a plain one.
    Plain,
    /// A service's; which of its lists, where that is said.
    Service(String, Option<String>),
}

/// Reads `--from`.
///
/// # Errors
/// What there is instead.
pub(super) fn from(text: &str) -> Result<From, String> {
    if text == "none" {
        return Ok(From::Plain);
    }
    let (service, list) = match text.split_once(':') {
        Some((service, list)) => (service, Some(list)),
        None => (text, None),
    };
    let mut of = LISTS.iter().filter(|known| known.service == service).peekable();
    if of.peek().is_none() {
        let mut names: Vec<_> = LISTS.iter().map(|list| list.service).collect();
        names.dedup();
        return Err(format!("no such service is known: use {} or none", names.join(", ")));
    }
    let names: Vec<_> = of.map(|known| known.name).collect();
    match list {
        Some(list) if !names.contains(&list) => Err(format!("its lists are {}", names.join(", "))),
        list => Ok(From::Service(service.to_owned(), list.map(str::to_owned))),
    }
}

/// A column's name in small letters and digits alone.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl List {
    /// Whether a file with these columns may be one of these.
    fn fits(&self, columns: &[String]) -> bool {
        let has = |names: &&[&str]| names.iter().any(|name| columns.iter().any(|c| c == name));
        let is_known = |column: &String| {
            let known = self.has.iter().flat_map(|names| names.iter()).chain(self.may);
            known.into_iter().any(|name| *name == "*" || name == column)
        };
        self.has.iter().all(has) && columns.iter().all(is_known)
    }

    /// Whether a file with these columns is one of these beyond doubt.
    fn tells(&self, columns: &[String]) -> bool {
        let has = |names: &&[&str]| names.iter().all(|name| columns.iter().any(|c| c == name));
        self.tells.as_ref().is_some_and(has) && self.fits(columns)
    }

    /// How it is named to people.
    pub(super) fn told(&self) -> String {
        format!("{}: {}", self.title, self.name.replace('_', " "))
    }

    /// What a row means: cells as an import takes them, or why it makes no stop. `streams` says which
    /// stream a group is, and under the empty name the stream of all others.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub(super) fn read(
        &self,
        row: &[(&str, &str)],
        streams: &[(String, String)],
    ) -> Result<Result<Cells, &'static str>, String> {
        let cells: Vec<(String, &str)> = row
            .iter()
            .map(|(name, value)| (plain(name), value.trim()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let find = |names: &[&str]| {
            names.iter().find_map(|name| {
                cells.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
            })
        };
        let meaning = self.meaning(&find)?;
        let reason = match meaning {
            Meaning::OptOut => "opt_out",
            Meaning::Complaint => "complaint",
            Meaning::HardBounce => "hard_bounce",
            Meaning::Manual => "manual",
            Meaning::LeftOut(why) => return Ok(Err(why)),
        };
        let recipient = find(self.recipient).ok_or("it names no recipient")?;
        let mut read = vec![
            (Column::Recipient, recipient.to_owned()),
            (Column::Reason, reason.to_owned()),
            (Column::Source, self.evidence(row)),
        ];
        if let Some(text) = find(self.at) {
            read.push((Column::At, moment(text, self.ahead)?));
        }
        if meaning == Meaning::OptOut {
            let group = find(self.group).unwrap_or_default();
            let of = |wanted: &str| streams.iter().find(|(known, _)| known == wanted);
            if let Some((_, stream)) = of(group).or_else(|| of("")) {
                read.push((Column::Stream, stream.clone()));
            }
        }
        Ok(Ok(read))
    }

    fn meaning<'a>(&self, find: &impl Fn(&[&str]) -> Option<&'a str>) -> Result<Meaning, String> {
        let says = |column: &str, words: &[&str]| {
            let said = find(&[column]).unwrap_or_default().to_lowercase();
            words.iter().any(|word| match word.strip_suffix('*') {
                Some(start) => said.starts_with(start),
                None => said == *word,
            })
        };
        let fits = |rule: &&Rule| rule.when.iter().all(|(column, words)| says(column, words));
        if let Some(rule) = self.rules.iter().find(fits) {
            return Ok(rule.then);
        }
        let mut columns: Vec<&str> = Vec::new();
        for (column, _) in self.rules.iter().flat_map(|rule| rule.when) {
            if !columns.contains(column) {
                columns.push(column);
            }
        }
        let said =
            columns.iter().filter_map(|column| Some(format!("{column} `{}`", find(&[column])?)));
        let said: String = said.collect::<Vec<_>>().join(", ").chars().take(REPEATED_MAX).collect();
        let said = if said.is_empty() { "nothing".to_owned() } else { said };
        Err(format!("{} does not say why by any word that is known: it says {said}", self.told()))
    }

    /// All that the row says, but for whom and when, as evidence.
    fn evidence(&self, row: &[(&str, &str)]) -> String {
        let skipped = |name: &str| {
            let name = plain(name);
            [self.recipient, self.at].concat().iter().any(|known| *known == name)
        };
        let said = row.iter().filter(|(name, value)| !skipped(name) && !value.trim().is_empty());
        let said = said.map(|(name, value)| format!("; {}: {}", name.trim(), value.trim()));
        let text = self.told() + &said.collect::<String>();
        if text.chars().count() <= TEXT_MAX {
            return text;
        }
        text.chars().take(TEXT_MAX - 1).chain(['…']).collect()
    }
}

/// Which list a file is, by its columns; none where it is a plain one.
///
/// # Errors
/// It is said to be one that it is not, or may be several, or is no list of stops.
pub(super) fn find(from: &From, columns: &[&str]) -> Result<Option<&'static List>, String> {
    let columns: Vec<String> = columns.iter().map(|name| plain(name)).collect();
    let columns: Vec<String> = columns.into_iter().filter(|name| !name.is_empty()).collect();
    let found: Vec<&List> = match from {
        From::Plain => return Ok(None),
        From::Unsaid => LISTS.iter().filter(|list| list.tells(&columns)).collect(),
        From::Service(service, None) => {
            let of = LISTS.iter().filter(|list| list.service == service);
            of.filter(|list| list.fits(&columns)).collect()
        }
        From::Service(service, Some(name)) => {
            let mut of = LISTS.iter().filter(|list| list.service == service && list.name == name);
            let list = of.next().ok_or("there is no such list")?;
            let has = list.recipient.iter().any(|name| columns.iter().any(|c| c == name));
            if !has {
                return Err(format!(
                    "no column of it names recipients as {} does: {}",
                    list.told(),
                    list.recipient.join(" or ")
                ));
            }
            return Ok(Some(list));
        }
    };
    match (&found[..], from) {
        ([list], _) => Ok(Some(list)),
        ([], From::Service(service, _)) => {
            let of = LISTS.iter().filter(|list| list.service == service);
            let names: Vec<_> = of.map(|list| list.name).collect();
            Err(format!(
                "its columns ({}) are those of no list of {service}: name the list, as in --from \
                 {service}:{}; there are {}",
                columns.join(", ").chars().take(REPEATED_MAX).collect::<String>(),
                names.first().unwrap_or(&""),
                names.join(", ")
            ))
        }
        ([], _) => Ok(None),
        (several, _) => {
            let ways = several.iter().map(|list| format!("--from {}:{}", list.service, list.name));
            Err(format!(
                "its columns are those of several lists: say which, with {}, or --from none for a plain one",
                ways.collect::<Vec<_>>().join(" or ")
            ))
        }
    }
}

/// The columns of a file of this service that has no row of names.
pub(super) fn bare(from: &From) -> Option<&'static [&'static str]> {
    let From::Service(service, name) = from else { return None };
    let of = LISTS.iter().filter(|list| {
        list.service == service && name.as_ref().is_none_or(|name| list.name == name)
    });
    of.map(|list| list.bare).find(|bare| !bare.is_empty())
}

/// A time in whatever way a service writes it, as the API takes it.
fn moment(text: &str, ahead: i8) -> Result<String, String> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if text.len() > 4 && whole.bytes().all(|byte| byte.is_ascii_digit()) {
        // Thirteen digits are milliseconds.
        let seconds = if whole.len() > 11 { &whole[..whole.len() - 3] } else { whole };
        return Ok(seconds.to_owned());
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.to_string());
    }
    let zoned = text.replace("UTC", "GMT");
    if let Ok(at) = DateTimeParser::new().parse_timestamp(zoned.trim()) {
        return Ok(at.to_string());
    }
    let local = text.trim_end_matches(" GMT").trim_end_matches(" UTC");
    let read = local.replace('/', "-").parse::<DateTime>().ok();
    let read = read.and_then(|local| Offset::constant(ahead).to_timestamp(local).ok());
    read.map(|at| at.to_string()).ok_or_else(|| {
        let text: String = text.chars().take(REPEATED_MAX).collect();
        format!("`{text}` is no time in any way that is known")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_ways_that_services_write_them() {
        for (text, ahead, at) in [
            ("1443651125", 0, "1443651125"),
            ("1586447400.123", 0, "1586447400"),
            ("1586447400123", 0, "1586447400"),
            ("2019-12-10T08:58:33-05:00", 0, "2019-12-10T13:58:33Z"),
            ("Fri, 21 Oct 2011 11:02:55 GMT", 0, "2011-10-21T11:02:55Z"),
            ("Fri, 21 Oct 2011 11:02:55 UTC", 0, "2011-10-21T11:02:55Z"),
            ("2016-02-01 14:53:20", 8, "2016-02-01T06:53:20Z"),
            ("2013-01-01 15:30:27", 0, "2013-01-01T15:30:27Z"),
            ("2021/07/09 00:59:37", 8, "2021-07-08T16:59:37Z"),
        ] {
            assert_eq!(moment(text, ahead).as_deref(), Ok(at), "{text}");
        }
        assert!(moment("yesterday", 0).is_err());
    }

    #[test]
    fn what_is_said_of_where_a_list_comes_from_is_one_of_those_known() {
        assert_eq!(from("none"), Ok(From::Plain));
        assert_eq!(from("ses"), Ok(From::Service("ses".into(), None)));
        let named = From::Service("sendgrid".into(), Some("blocks".into()));
        assert_eq!(from("sendgrid:blocks"), Ok(named));
        let fault = from("sendgird").expect_err("nobody");
        assert!(fault.contains("sendgrid, mailgun, postmark, ses, sendcloud"), "{fault}");
        assert!(from("mailgun:blocks").expect_err("none").contains("bounces, unsubscribes"));
    }
}
