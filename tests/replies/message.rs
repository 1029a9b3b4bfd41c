//! A reply made up: its words, its surroundings and its wrapping, by chance from a seed.

use super::clients::{CLIENTS, Client, Marks, Opening};
use super::tongues::{TONGUES, Tongue};
use super::{mime, tongues_further};

/// The senders whose mail is answered: names with commas, quotes, symbols, or none at all.
const SENDERS: [(&str, &str); 12] = [
    ("Aurora Shop", "news@shop.example"),
    ("Shop, Aurora", "news@shop.example"),
    ("Bauer, Dr. Jürgen", "j.bauer@verlag.example"),
    ("商城客服", "service@mall.example"),
    ("高橋 商店", "info@takahashi.example"),
    ("O'Neil \"The Shop\"", "oneil@shop.example"),
    ("Sunny Deals", "hello+t@deals.example"),
    ("Team @ Work", "team@work.example"),
    ("", "news@shop.example"),
    (
        "The Extraordinarily Long Name of a Publishing House and its Daughters",
        "office@publishing-house.example",
    ),
    ("R", "r@shop.example"),
    ("Магазин", "shop@magazin.example"),
];

/// The originals: footers that tell how to stop, some lines of which are a keyword alone.
const ORIGINALS: [&str; 6] = [
    "Dear customer,\n\nour spring catalogue is out. Come and see!\n\nReject Please Reply R\nUnsubscribe to T\nR\nT",
    "尊敬的客户：\n\n新品上市，敬请关注。\n\n拒收请回复R\n退订回T\n退订\nR",
    "Hello,\n\nyour weekly digest: three stories.\n\n--\nTo stop these mails reply with\nSTOP\nor follow the link below\nUnsubscribe",
    "Guten Tag,\n\nhier ist unser Newsletter.\n\nZum Abmelden antworten Sie mit\nABMELDEN\nT",
    "お客様各位\n\n新商品のご案内です。\n\n配信停止をご希望の方は\n配信停止\nとご返信ください。",
    "Last chance: 40 % off until Sunday.\n\nT\n\nShop Ltd., 1 High Street\nPlease unsubscribe me\nR",
];

/// What lists add below everything.
const LIST_FOOTERS: [&str; 3] = [
    "_______________________________________________\nUsers mailing list -- users@lists.example\n\
     To unsubscribe send an email to users-leave@lists.example",
    "-- \nYou received this message because you are subscribed to the group \"users\".\n\
     To unsubscribe from this group, send an email to users+unsubscribe@groups.example.",
    "To unsubscribe from this list: send the line \"unsubscribe users\" in\nthe body of a message to lists@lists.example",
];

/// Numbers that a seed settles (SplitMix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap_or_default()
    }

    pub(super) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub(super) fn form<'a>(&mut self, forms: &'a str) -> &'a str {
        let forms: Vec<&str> = forms.split('|').collect();
        forms[self.below(forms.len())]
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

/// A message and what is known of it.
pub(super) struct Made {
    pub(super) message: Vec<u8>,
    /// `R`, `T` or `none`.
    pub(super) label: &'static str,
    pub(super) tier: &'static str,
    pub(super) client: &'static str,
    pub(super) code: &'static str,
    pub(super) charset: String,
    pub(super) placement: &'static str,
}

pub(super) fn tongues() -> impl Iterator<Item = &'static Tongue> {
    TONGUES.iter().chain(tongues_further::TONGUES)
}

/// A reply for every client in every language in which it is met, and in every tier.
pub(super) fn all(seed: u64) -> Vec<Made> {
    let mut made = Vec::new();
    for client in CLIENTS {
        for tongue in
            tongues().filter(|t| client.codes.is_empty() || client.codes.contains(&t.code))
        {
            for tier in
                ["word", "word", "polite", "letter", "letter", "reject", "silent", "subject"]
            {
                let place = made.len() as u64;
                made.push(one(client, tongue, tier, &mut Chance(seed ^ (place << 20))));
            }
        }
    }
    made
}

/// What the person writes and what that is.
fn words(tongue: &Tongue, tier: &'static str, chance: &mut Chance) -> (String, &'static str) {
    let (forms, label) = match tier {
        "word" => (tongue.leave, "T"),
        "polite" => (tongue.ask, "T"),
        "reject" => (tongue.reject, "R"),
        "letter" => (tongue.letters, "none"),
        _ => ("", "none"),
    };
    let said = chance.form(forms).replace("\\n", "\n");
    let mut lines = Vec::new();
    if chance.percent(35) && !said.is_empty() {
        lines.push(chance.form(tongue.greetings).to_owned());
        lines.extend(chance.percent(50).then(String::new));
    }
    lines.push(said);
    if chance.percent(30) && tier != "subject" && tier != "silent" {
        lines.extend(chance.percent(60).then(String::new));
        lines.push(chance.form(tongue.thanks).to_owned());
        lines.extend(chance.percent(60).then(|| chance.form(tongue.signatures).to_owned()));
    }
    (lines.join("\n"), label)
}

/// What stands below the words: a signature, a footer of the program, a disclaimer.
fn below(tongue: &Tongue, chance: &mut Chance) -> String {
    match chance.below(10) {
        0 | 1 => format!("\n\n{}", chance.form(tongue.footers)),
        2 => format!("\n\n-- \n{}", chance.form(tongue.signatures)),
        3 => format!("\n\n-- \n{}\n\n{}", chance.form(tongue.signatures), tongue.disclaimer),
        _ => String::new(),
    }
}

fn one(
    client: &'static Client,
    tongue: &'static Tongue,
    tier: &'static str,
    chance: &mut Chance,
) -> Made {
    let (mut said, mut label) = words(tongue, tier, chance);
    let mut subject = "Re: Spring catalogue".to_owned();
    if tier == "subject" {
        let (forms, found) =
            if chance.percent(30) { (tongue.reject, "R") } else { (tongue.leave, "T") };
        let prefix = chance.form("|Re: |回复: |答复：|AW: |SV: |Antw: |RE：|回复：|RE: Re: |Odp: |Ynt: |Vá: |Re[2]: |RE :|R: |RES: |BLS: |Ответ: |답장: |TR : |Отв: |回覆: ");
        // A forwarded subject is nobody's wish.
        let forwards = prefix == "TR : ";
        let word = chance.form(forms).to_owned();
        label = if forwards { "none" } else { found };
        subject = format!("{prefix}{word}");
        said = String::new();
    }
    let (name, address) = *chance.of(&SENDERS);
    let fill = Fill::new(name, address, chance);
    let opening = chance.of(client.openings);
    let marks = *chance.of(client.marks);
    let original = chance.of(&ORIGINALS).to_string();
    let placement = if client.below && chance.percent(30) && opening_is_marked(*opening) {
        if chance.percent(50) { "bottom" } else { "inline" }
    } else {
        "top"
    };
    let below = below(tongue, chance);
    let quote = quote(*opening, marks, tongue, &original, &fill, chance);
    let mut text = match placement {
        "top" => format!("{said}{below}\n\n{quote}\n"),
        "bottom" => format!("{quote}\n\n{said}{below}\n"),
        _ => {
            let lines: Vec<&str> = quote.lines().collect();
            // Behind the first line of the original that is not empty.
            let at = lines.iter().rposition(|line| {
                line.trim_matches(['>', ' ', '|']).is_empty() && !line.trim().is_empty()
            });
            let at = at.unwrap_or(lines.len().saturating_sub(1)) + 1;
            format!("{}\n\n{said}\n\n{}\n", lines[..at].join("\n"), lines[at..].join("\n"))
        }
    };
    if chance.percent(8) {
        text = format!("{text}\n{}\n", chance.of(&LIST_FOOTERS));
    }
    let page = (placement == "top" && !client.page.is_empty()).then(|| {
        page(client, tongue, *opening, &format!("{said}{below}"), &original, &fill, chance)
    });
    let charsets = [&["utf-8", "utf-8"], tongue.charsets].concat();
    let charset = (*chance.of(&charsets)).to_owned();
    let (message, charset) = mime::wrapped(&subject, &text, page.as_deref(), &charset, chance);
    Made { message, label, tier, client: client.name, code: tongue.code, charset, placement }
}

/// Whether what introduces the original tells where it ends too.
fn opening_is_marked(opening: Opening) -> bool {
    !matches!(opening, Opening::Block(_))
}

/// The sender, the date and the subject of the original.
struct Fill {
    name: String,
    address: String,
    numbers: [String; 6],
}

impl Fill {
    fn new(name: &str, address: &str, chance: &mut Chance) -> Self {
        let year = 2019 + chance.below(8);
        let numbers = [
            year.to_string(),
            format!("{:02}", year % 100),
            (1 + chance.below(12)).to_string(),
            (1 + chance.below(28)).to_string(),
            format!("{:02}", 8 + chance.below(12)),
            format!("{:02}", chance.below(60)),
        ];
        Self { name: name.to_owned(), address: address.to_owned(), numbers }
    }

    fn filled(&self, form: &str) -> String {
        let [year, short, month, day, hour, minute] = &self.numbers;
        let quoted = self.name.contains([',', '@', '"']);
        let shown = if quoted {
            format!("\"{}\"", self.name.replace('"', "\\\""))
        } else {
            self.name.clone()
        };
        let who = if self.name.is_empty() {
            format!("<{}>", self.address)
        } else {
            format!("{shown} <{}>", self.address)
        };
        let name = if self.name.is_empty() { &self.address } else { &self.name };
        form.replace("{who}", &who)
            .replace("{name}", name)
            .replace("{address}", &self.address)
            .replace("{subject}", "Spring catalogue")
            .replace("{Y}", year)
            .replace("{y}", short)
            .replace("{m}", month)
            .replace("{d}", day)
            .replace("{H}", hour)
            .replace("{M}", minute)
    }
}

fn block(tongue: &Tongue, fill: &Fill) -> String {
    let [from, sent, to, subject] = tongue.labels;
    let date = fill.filled(tongue.date);
    let who = fill.filled("{who}");
    format!(
        "{from}: {who}\n{sent}: {date}\n{to}: Ann <ann@b.example>\n{subject}: Spring catalogue\n"
    )
}

/// The quote in text.
fn quote(
    opening: Opening,
    marks: Marks,
    tongue: &Tongue,
    original: &str,
    fill: &Fill,
    chance: &mut Chance,
) -> String {
    let marked = |text: &str| marked(text, marks);
    match opening {
        Opening::Wrote(columns) => {
            let line = wrapped(&fill.filled(chance.form(tongue.wrote)), columns);
            let gap = if chance.percent(40) { "\n\n" } else { "\n" };
            format!("{line}{gap}{}", marked(original))
        }
        Opening::WroteInside => {
            marked(&format!("{}\n\n{original}", fill.filled(chance.form(tongue.wrote))))
        }
        Opening::Block(before) => {
            let before = before.replace("{original}", chance.form(tongue.original));
            format!("{before}{}\n{}", block(tongue, fill), marked(original))
        }
        Opening::BlockInside(before) => {
            let before = before.replace("{original}", chance.form(tongue.original));
            format!("{before}{}", marked(&format!("{}\n{original}", block(tongue, fill))))
        }
        Opening::Text(text) => format!("{}{}", fill.filled(text), marked(original)),
        Opening::Nothing => marked(original),
    }
}

fn marked(text: &str, marks: Marks) -> String {
    let line = |line: &str| match marks {
        Marks::Angle => format!("> {line}").trim_end().to_owned(),
        Marks::Tight => format!(">{line}"),
        Marks::Bar => format!("| {line}").trim_end().to_owned(),
        Marks::Indent => format!("    {line}"),
        Marks::None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A line broken at blanks where it is longer than so many columns.
fn wrapped(line: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        let size = word.chars().count() + 1;
        if length + size > columns && length > 0 {
            out.push('\n');
            length = 0;
        } else if length > 0 {
            out.push(' ');
        }
        out.push_str(word);
        length += size;
    }
    out
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\n', "<br>")
}

fn page(
    client: &Client,
    tongue: &Tongue,
    opening: Opening,
    answer: &str,
    original: &str,
    fill: &Fill,
    chance: &mut Chance,
) -> String {
    let title = chance.form(tongue.original);
    let opening = match opening {
        Opening::Block(_) | Opening::BlockInside(_) => block(tongue, fill),
        _ => fill.filled(chance.form(tongue.wrote)),
    };
    let form = client.page.replace("{name}", &escaped(&fill.filled("{name}")));
    fill.filled(&form)
        .replace("{title}", title)
        .replace("{answer}", &escaped(answer))
        .replace("{opening}", &escaped(&opening))
        .replace("{original}", &escaped(original))
}
