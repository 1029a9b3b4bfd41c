//! relent.toml(5): the settings, from their sheet.

use super::pages::{FILES, item, opening, see_also};
use crate::config::reference;
use clap_mangen::roff::{Roff, bold, italic, roman};

/// A file that is enough, which a test reads.
const EXAMPLE: &str = r#"hostname = "relay.example.com"

[tls]
certificate = "/etc/relent/certificate.pem"
key = "/etc/relent/key.pem"

[replies]
domain = "reply.example.com"
postmaster = "postmaster@example.com"

[http]
public_url = "https://mail.example.com""#;

/// A sentence of the sheet about itself.
const ON_COMMENTS: &str = " A key after `#` has no default, and its value is an example.";

/// The page: the name of its file, and its text.
pub(super) fn page() -> (String, String) {
    let mut page = opening("relent.toml", "5", "the settings of relent, an SMTP relay");
    let mut roff = Roff::default();
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in reference::preface() {
        roff.control("PP", []);
        // What holds for the sheet alone, in which such a key is a comment.
        roff.text([roman(paragraph.replace(ON_COMMENTS, ""))]);
    }
    roff.control("SH", ["SETTINGS"]);
    for setting in reference::settings() {
        if setting.name.is_empty() {
            roff.control("SS", [format!("[{}]", setting.section).as_str()]);
            roff.text([roman(setting.sentence)]);
        } else if setting.is_optional {
            let meaning = format!("{} No default; as in:", setting.sentence);
            item(&mut roff, vec![bold(setting.name)], &meaning);
            roff.control("br", []);
            roff.text([roman(format!("{} = {}", setting.name, setting.value))]);
        } else {
            let term = vec![bold(setting.name), roman(" = "), italic(setting.value)];
            item(&mut roff, term, &setting.sentence);
        }
    }
    roff.control("SH", ["FILES"]);
    for (file, meaning) in FILES {
        item(&mut roff, vec![italic(file)], meaning);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.text([roman(
        "A relay with certificates of its own, whose replies come back to a host of their own:",
    )]);
    roff.control("PP", []);
    roff.control("nf", []);
    for line in EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    page.push_str(&roff.to_roff());
    let others = ["relent", "relent-check", "relent-serve"].map(|name| (name.to_owned(), "1"));
    page.push_str(&see_also(&others));
    ("relent.toml.5".to_owned(), page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn every_key_stands_in_the_page_with_its_default() {
        let (_, page) = page();
        assert!(page.contains(".SS [queue]\n") && !page.contains("after `#`"), "{page}");
        assert!(page.contains("\\fBexpiry\\fR = \\fI\"4d\"\\fR\n"), "{page}");
        for setting in reference::settings() {
            let named = format!("\\fB{}\\fR", setting.name);
            assert!(setting.name.is_empty() || page.contains(&named), "{}", setting.name);
        }
    }

    #[test]
    fn the_example_is_read() {
        let read = Config::read(EXAMPLE, Path::new("relent.toml")).expect("it is fine");
        assert_eq!(read.hostname, "relay.example.com");
        assert_eq!(read.reply_domain(), "reply.example.com");
    }
}
