//! `relent top`: how much mail comes in and goes out, where it waits and for how long, and who stopped it, as
//! it happens. It only looks, through the admin socket.

use super::arguments::Form;
use super::client::{Client, Fault};
use super::delivery;
use super::paint::{Ink, Paint};
use super::sample::Sample;
use super::show::{self, Column, Table};
use super::terminal::{Key, Terminal};
use crate::config::Span;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Stops that are shown at most.
const STOPS: usize = 10;
/// Lines that are left for stops and their heading.
const STOPS_ROOM: usize = 7;
/// Shortest time between two looks.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// The ages by which what waits is counted, as the figures name them.
const AGES: [&str; 6] = ["1m", "10m", "1h", "6h", "1d", "older"];

const SITE: [Column; 6] = [
    ("SITE", "site"),
    ("WAITING", "waiting"),
    ("CONNECTIONS", "connections"),
    ("PACE", "pace"),
    ("STATE", "state"),
    ("LAST ANSWER", "last"),
];
const STOP: [Column; 5] = [
    ("STOPPED", "at"),
    ("RECIPIENT", "recipient"),
    ("ACCOUNT", "account"),
    ("BY", "actor"),
    ("DETAILS", "details"),
];

/// By what sites are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    /// Most mail first.
    Waiting,
    /// Most connections first.
    Connections,
    /// Those in trouble first.
    Trouble,
    /// By name.
    Name,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Waiting => Self::Connections,
            Self::Connections => Self::Trouble,
            Self::Trouble => Self::Name,
            Self::Name => Self::Waiting,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connections => "connections",
            Self::Trouble => "trouble",
            Self::Name => "name",
        }
    }
}

/// `relent top …`
#[derive(Debug, Args)]
pub(super) struct Top {
    /// Look once, and end; so it does too where nobody sees it.
    #[arg(long)]
    once: bool,
    /// The time from one look to the next.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = every)]
    every: Span,
    /// By what sites are sorted.
    #[arg(long, default_value = "waiting")]
    sort: Sort,
    #[command(flatten)]
    form: Form,
}

fn every(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span.0 >= EVERY_MIN => Ok(span),
        Ok(_) => Err("write 100ms or more".into()),
        Err(fault) => Err(fault),
    }
}

/// What one look has found.
struct Look {
    sample: Sample,
    sites: Vec<Value>,
    stops: Vec<Value>,
}

/// Shows it until a key, a signal or `--once` ends it.
pub(super) async fn top(client: &Client, asked: Top) -> Result<(), Fault> {
    let every = asked.every.0;
    let first = look(client).await?;
    if asked.form.json || asked.once || !std::io::stdout().is_terminal() {
        return printed(client, &asked, first).await;
    }
    let unusable =
        |fault| Fault::Refused(format!("the terminal cannot be used ({fault}): try --once"));
    let (mut ends, mut resized) = signals().map_err(unusable)?;
    let terminal = Terminal::take().map_err(unusable)?;
    let mut keys = terminal.keys();
    let (mut sort, mut is_paused) = (asked.sort, false);
    let (mut before, mut now) = (first.sample.clone(), Ok(first));
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let frame = Frame { client, sort, is_paused, every, paint: asked.form.color.out() };
        terminal.draw(&frame.lines(&before, &now, terminal.size())).map_err(unusable)?;
        tokio::select! {
            _ = ticks.tick(), if !is_paused => {
                let next = look(client).await;
                if let (Ok(old), Ok(_)) = (&now, &next) {
                    before = old.sample.clone();
                }
                now = next;
            }
            key = keys.recv() => match key.unwrap_or(Key::Leave) {
                Key::Leave | Key::Char('q' | 'Q') => return Ok(()),
                Key::Char(' ') => is_paused = !is_paused,
                Key::Char('s') => sort = sort.next(),
                Key::Char('w') => sort = Sort::Waiting,
                Key::Char('c') => sort = Sort::Connections,
                Key::Char('t') => sort = Sort::Trouble,
                Key::Char('n') => sort = Sort::Name,
                Key::Char(_) => {}
            },
            // Another size: drawn anew at once.
            _ = resized.recv() => {}
            () = ended(&mut ends) => return Ok(()),
        }
    }
}

/// The signals that end it, and the one that says that the terminal has another size.
fn signals() -> std::io::Result<([Signal; 3], Signal)> {
    let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [terminate, interrupt, hangup] = ends.map(signal);
    Ok(([terminate?, interrupt?, hangup?], signal(SignalKind::window_change())?))
}

async fn ended([terminate, interrupt, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
}

async fn look(client: &Client) -> Result<Look, Fault> {
    let figures = client.figures().await?;
    let sample = Sample::read(&figures, Instant::now());
    let found = client.get("/delivery/sites").await?;
    let sites = show::items(&found["sites"], "sites").to_vec();
    let stops = client.get(&format!("/audit?kind=suppression.made&limit={STOPS}")).await?;
    Ok(Look { sample, sites, stops: show::items(&stops, "items").to_vec() })
}

/// For scripts, and where nobody sees it: a look each time, rates since the one before.
async fn printed(client: &Client, asked: &Top, first: Look) -> Result<(), Fault> {
    let mut before = first;
    loop {
        tokio::time::sleep(asked.every.0).await;
        let now = look(client).await?;
        if asked.form.json {
            let told = told(&before.sample, &now, asked.sort);
            if asked.once {
                return show::json(&told);
            }
            show::line(&told.to_string())?;
        } else {
            let (sort, every, paint) = (asked.sort, asked.every.0, asked.form.color.out());
            let frame = Frame { client, sort, is_paused: false, every, paint };
            let sample = before.sample;
            let lines = frame.lines(&sample, &Ok(now), (usize::MAX, usize::MAX));
            return lines[2..].iter().try_for_each(|line| show::line(line));
        }
        before = now;
    }
}

/// A counter by its word here, and the figures that it is the sum of.
type Counted = (&'static str, &'static [(&'static str, &'static [(&'static str, &'static str)])]);

/// What is counted, in the order in which it is shown.
const COUNTED: [Counted; 6] = [
    ("in", &[("relent_messages_accepted_total", &[])]),
    ("out", &[("relent_recipients_total", &[("outcome", "delivered")])]),
    ("deferred", &[("relent_recipients_total", &[("outcome", "deferred")])]),
    ("failed", &[("relent_recipients_total", &[("outcome", "failed")])]),
    (
        "refused",
        &[("relent_messages_refused_total", &[]), ("relent_recipients_refused_total", &[])],
    ),
    ("stops", &[("relent_stops_total", &[])]),
];

fn rate(before: &Sample, now: &Sample, (_, families): Counted) -> f64 {
    families.iter().map(|(name, labels)| now.rate(before, name, labels)).sum()
}

fn total(now: &Sample, (_, families): Counted) -> f64 {
    families.iter().filter_map(|(name, labels)| now.sum(name, labels)).sum()
}

/// A count, which the figures have as a float.
fn whole(count: f64) -> u64 {
    format!("{count:.0}").parse().unwrap_or(0)
}

/// What waits, by state.
fn waiting(now: &Sample, state: &str) -> f64 {
    now.sum("relent_queue_recipients", &[("state", state)]).unwrap_or(0.0)
}

/// What waits, by age; none where the figures do not say.
fn aged(now: &Sample, age: &str) -> Option<f64> {
    now.sum("relent_queue_age_recipients", &[("age", age)])
}

fn sorted(sites: &[Value], sort: Sort) -> Vec<Value> {
    let mut sites = sites.to_vec();
    let count = |site: &Value, key: &str| site[key].as_u64().unwrap_or(0);
    let name = |site: &Value| site["hosts"][0].as_str().unwrap_or_default().to_owned();
    let trouble = |site: &Value| {
        let stopped = u64::from(site["stopped"].is_string());
        (stopped, count(site, "failures"), count(site, "slowed"))
    };
    match sort {
        Sort::Waiting => sites.sort_by_key(|site| std::cmp::Reverse(count(site, "waiting"))),
        Sort::Connections => {
            sites.sort_by_key(|site| std::cmp::Reverse(count(site, "connections")));
        }
        Sort::Trouble => sites.sort_by_key(|site| std::cmp::Reverse(trouble(site))),
        Sort::Name => sites.sort_by_key(name),
    }
    sites
}

/// One look as JSON: rates a second since the one before, totals since the daemon's start.
fn told(before: &Sample, now: &Look, sort: Sort) -> Value {
    let sample = &now.sample;
    let mut shown = json!({
        "at": jiff::Timestamp::now().to_string(),
        "rates": {},
        "totals": {},
        "queue": {
            "queued": whole(waiting(sample, "queued")),
            "active": whole(waiting(sample, "active")),
            "held": whole(waiting(sample, "held")),
            "oldest_due_seconds": sample.sum("relent_queue_oldest_due_seconds", &[]),
            "ages": {},
        },
        "sites": sorted(&now.sites, sort),
        "stops": now.stops,
    });
    for counted in COUNTED {
        let rate = (rate(before, sample, counted) * 100.0).round() / 100.0;
        shown["rates"][counted.0] = json!(rate);
        shown["totals"][counted.0] = json!(whole(total(sample, counted)));
    }
    for age in AGES {
        shown["queue"]["ages"][age] = json!(aged(sample, age).map(whole));
    }
    shown
}

/// How one look is drawn.
struct Frame<'a> {
    client: &'a Client,
    sort: Sort,
    is_paused: bool,
    every: Duration,
    paint: Paint,
}

impl Frame<'_> {
    /// All of it, in so many columns and lines.
    fn lines(
        &self,
        before: &Sample,
        now: &Result<Look, Fault>,
        (width, height): (usize, usize),
    ) -> Vec<String> {
        let state = if self.is_paused { "paused" } else { "running" };
        let head = format!(
            "relent top  {}  every {}  {state}  |  q leave  space pause  s sort: {}",
            self.client.config.hostname,
            Span(self.every),
            self.sort.name()
        );
        let mut lines = vec![self.paint.text(Some(Ink::Head), &cut(&head, width))];
        let look = match now {
            Ok(look) => look,
            Err(fault) => {
                let text = cut(&show::clean(&fault.to_string()), width);
                lines.push(self.paint.text(Some(Ink::Bad), &text));
                return lines;
            }
        };
        lines.push(String::new());
        lines.extend(self.figures(before, &look.sample).iter().map(|line| cut(line, width)));
        lines.push(String::new());
        let room = height.saturating_sub(lines.len() + STOPS_ROOM).max(2);
        let sites = sorted(&look.sites, self.sort);
        let rows: Vec<Value> = sites.iter().take(room.saturating_sub(1)).map(site).collect();
        lines.extend(self.table(&SITE, &rows, width));
        if rows.is_empty() {
            lines.push("nothing waits for any site".into());
        }
        lines.push(String::new());
        let room = height.saturating_sub(lines.len() + 1);
        let stops: Vec<Value> = look.stops.iter().take(room).map(stop).collect();
        lines.extend(self.table(&STOP, &stops, width));
        lines
    }

    /// Rates, totals, and what waits.
    fn figures(&self, before: &Sample, now: &Sample) -> Vec<String> {
        let each = COUNTED.map(|counted| {
            let (rate, total) = (rate(before, now, counted), total(now, counted));
            format!("{} {rate:.1}/s ({total:.0})", counted.0)
        });
        let mut queue = format!(
            "queued {:.0}  active {:.0}  held {:.0}",
            waiting(now, "queued"),
            waiting(now, "active"),
            waiting(now, "held")
        );
        if let Some(oldest) = now.sum("relent_queue_oldest_due_seconds", &[]) {
            queue += &format!("  due for {oldest:.0} s at most");
        }
        let mut lines = vec![each.join("  "), queue];
        let ages = AGES.map(|age| aged(now, age).map(|count| format!("{age} {count:.0}")));
        if ages.iter().any(Option::is_some) {
            let ages: Vec<String> = ages.into_iter().flatten().collect();
            lines.push(format!("by age, at most: {}", ages.join("  ")));
        }
        lines
    }

    fn table(&self, columns: &[Column], rows: &[Value], width: usize) -> Vec<String> {
        let text = Table::new(columns).rows(rows);
        let paint = |(place, line): (usize, &str)| {
            let ink = if place == 0 { Some(Ink::Head) } else { None };
            self.paint.text(ink, &cut(line, width))
        };
        text.lines().enumerate().map(paint).collect()
    }
}

/// A site with what it said last.
fn site(site: &Value) -> Value {
    let mut row = delivery::short(site);
    let last = &site["answers"][0];
    row["last"] = match (last["at"].as_str(), last["text"].as_str()) {
        (Some(at), Some(text)) => format!("{at} {text}").into(),
        _ => Value::Null,
    };
    row
}

/// A stop, as the audit chain has it.
fn stop(entry: &Value) -> Value {
    let mut row = entry.clone();
    if row["recipient"].is_null() {
        row["recipient"] = entry["words"].clone();
    }
    row
}

fn cut(line: &str, width: usize) -> String {
    if width == usize::MAX { line.to_owned() } else { line.chars().take(width).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn look(text: &str, at: Instant) -> Look {
        let site = |name: &str, waiting: u64, failures: u64, connections: u64| {
            json!({ "hosts": [name], "domains": [], "waiting": waiting, "connections": connections,
                "connections_max": 5, "failures": failures, "slowed": 0, "stopped": null,
                "answers": [{"at": "2026-03-01T00:00:00Z", "text": "421 too much"}] })
        };
        let sites = vec![
            site("b.example", 1, 3, 2),
            site("a.example", 9, 0, 1),
            site("c.example", 5, 0, 9),
        ];
        let stops = vec![json!({"at": "2026-03-01T00:00:00Z", "recipient": "ann@reader.example",
            "account": "acme", "actor": "person:reply", "details": {"reason": "opt_out"}})];
        Look { sample: Sample::read(text, at), sites, stops }
    }

    #[test]
    fn a_frame_has_rates_sites_and_stops_and_fits_its_terminal() {
        let begun = Instant::now();
        let before = Sample::read("relent_messages_accepted_total 10\n", begun);
        let text = "relent_messages_accepted_total 30\nrelent_queue_recipients{state=\"queued\"} 7\n\
                    relent_queue_age_recipients{state=\"queued\",age=\"1m\"} 4\n\
                    relent_queue_age_recipients{state=\"held\",age=\"1m\"} 1\n";
        let now = Ok(look(text, begun + Duration::from_secs(2)));
        let client = Client::new(&Config::default(), Path::new("x.toml"));
        let mut frame = Frame {
            client: &client,
            sort: Sort::Waiting,
            is_paused: false,
            every: Duration::from_secs(1),
            paint: Paint(false),
        };
        let lines = frame.lines(&before, &now, (60, 16));
        assert!(
            lines.len() <= 16 && lines.iter().all(|line| line.chars().count() <= 60),
            "{lines:?}"
        );
        let all = frame.lines(&before, &now, (usize::MAX, usize::MAX)).join("\n");
        assert!(all.contains("in 10.0/s (30)") && all.contains("queued 7"), "{all}");
        assert!(all.contains("by age, at most: 1m 5"), "{all}");
        assert!(all.contains("421 too much") && all.contains("ann@reader.example"), "{all}");
        assert!(all.find("a.example") < all.find("b.example"), "{all}");
        frame.sort = Sort::Trouble;
        let all = frame.lines(&before, &now, (usize::MAX, usize::MAX)).join("\n");
        assert!(all.find("b.example") < all.find("a.example"), "{all}");
        let gone = frame.lines(&before, &Err(Fault::Unreachable("gone".into())), (60, 16));
        assert_eq!(gone[1], "gone");
    }

    #[test]
    fn each_figure_stands_under_its_own_word_and_sites_as_they_are_sorted() {
        let begun = Instant::now();
        let mut text =
            "relent_messages_accepted_total 1\nrelent_recipients_total{outcome=\"delivered\"} 2\n\
                        relent_recipients_total{outcome=\"deferred\"} 4\n\
                        relent_recipients_total{outcome=\"failed\"} 8\n\
                        relent_messages_refused_total{code=\"5xx\"} 16\n\
                        relent_recipients_refused_total{reason=\"stop\"} 32\n\
                        relent_stops_total{way=\"page\",reason=\"opt_out\"} 64\n\
                        relent_queue_recipients{state=\"queued\"} 128\n\
                        relent_queue_recipients{state=\"active\"} 256\n\
                        relent_queue_recipients{state=\"held\"} 512\n\
                        relent_queue_oldest_due_seconds 1024\n"
                .to_owned();
        for (count, age) in (1..).zip(AGES) {
            text += &format!("relent_queue_age_recipients{{age=\"{age}\"}} {count}\n");
        }
        let (before, now) = (Sample::read("", begun), look(&text, begun + Duration::from_secs(2)));
        let shown = told(&before, &now, Sort::Waiting);
        let totals =
            json!({ "in": 1, "out": 2, "deferred": 4, "failed": 8, "refused": 48, "stops": 64 });
        assert_eq!(shown["totals"], totals);
        let rates = json!({ "in": 0.5, "out": 1.0, "deferred": 2.0, "failed": 4.0, "refused": 24.0,
            "stops": 32.0 });
        assert_eq!(shown["rates"], rates);
        let ages = json!({ "1m": 1, "10m": 2, "1h": 3, "6h": 4, "1d": 5, "older": 6 });
        let queue = json!({ "queued": 128, "active": 256, "held": 512, "oldest_due_seconds": 1024.0,
            "ages": ages });
        assert_eq!(shown["queue"], queue);
        for (sort, order) in [
            (Sort::Waiting, ["a", "c", "b"]),
            (Sort::Connections, ["c", "b", "a"]),
            (Sort::Trouble, ["b", "a", "c"]),
            (Sort::Name, ["a", "b", "c"]),
        ] {
            let shown = told(&before, &now, sort);
            let names = shown["sites"].as_array().expect("sites").iter();
            let names: Vec<_> = names.map(|site| site["hosts"][0].clone()).collect();
            assert_eq!(names, order.map(|name| format!("{name}.example")), "by {}", sort.name());
        }
    }

    #[test]
    fn a_stop_of_nobody_that_is_named_shows_its_words() {
        let entry = json!({ "recipient": null, "words": "a whole domain", "account": "acme" });
        assert_eq!(stop(&entry)["recipient"], "a whole domain");
        let named = json!({ "recipient": "ann@reader.example", "words": "more" });
        assert_eq!(stop(&named)["recipient"], "ann@reader.example");
    }
}
