//! Recipients' pages, from the link of a message that was delivered: what they say, what they stop, and
//! what the account shows of itself on them.

use super::{field, newsletter, next};
use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::Received;

const ANN: &str = "ann@reader.example";
/// A picture of one pixel.
const DOT: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

/// The path of the page that a copy's List-Unsubscribe field names.
fn page_of(mail: &Received) -> String {
    let value = field(mail, "List-Unsubscribe").expect("a List-Unsubscribe field");
    let (_, rest) = value.split_once("/u/").expect("a page");
    format!("/u/{}", rest.trim_end_matches('>'))
}

fn get(world: &World, path: &str) -> String {
    world.http(&format!("GET {path} HTTP/1.1"), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_who_sends_what_and_what_was_agreed_to() {
    let world = World::start().await;
    let copies = newsletter(&world, &[ANN]).await;
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    assert!(app.submit("news@acme.example", &[ANN], &letter("Your order")).starts_with("250"));
    let path = page_of(&copies[0]);
    let page = get(&world, &path);
    for part in
        ["<bdi>acme</bdi>", "“<bdi>newsletter</bdi>”", "a…@r….example", "You agreed to it on"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(ANN), "{page}");
    let choices = get(&world, &format!("{path}/preferences"));
    assert!(choices.contains("value=\"newsletter\"") && choices.contains("<bdi>receipts</bdi>"));
    // Whoever follows links changes nothing.
    for method in ["GET", "HEAD", "OPTIONS"] {
        for path in [path.clone(), format!("{path}/preferences"), format!("{path}?choice=account")]
        {
            world.http(&format!("{method} {path} HTTP/1.1"), "");
        }
    }
    assert!(next(&world, "newsletter", ANN).starts_with("250"), "a look has stopped something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_box_refuses_the_next_message_and_its_undo_lets_it_through() {
    let world = World::start().await;
    let copies = newsletter(&world, &[ANN]).await;
    let line = format!("POST {}/preferences HTTP/1.1", page_of(&copies[0]));
    let done = world.http(&line, "shown=newsletter&choice=save");
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    let refused = next(&world, "newsletter", ANN);
    assert!(refused.starts_with("550 5.7.1") && refused.contains("opted out"), "{refused}");
    let (_, undo) = done.split_once("name=\"undo\" value=\"").expect("a way back");
    let undo = undo.split('"').next().expect("quoted");
    let done = world.http(&line, &format!("choice=undo&undo={undo}"));
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert!(next(&world, "newsletter", ANN).starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_dresses_the_page_and_is_told_what_is_shown_otherwise() {
    let world = World::start().await;
    let copies = newsletter(&world, &[ANN]).await;
    let (logo, text) = (world.path("logo.png"), world.path("logo.svg"));
    std::fs::write(&logo, DOT).expect("written");
    std::fs::write(&text, "<svg xmlns='http://www.w3.org/2000/svg'/>").expect("written");
    let (logo, text) = (logo.display().to_string(), text.display().to_string());
    let set = ["account", "set", "acme"];
    let look = ["--display-name", "Acme Garden Supplies", "--colour", "#ffee00", "--logo", &logo];
    let said = world.done(&[&set[..], &look].concat());
    assert!(said.out.contains("#ffee00 is shown as #"), "{}", said.out);
    let page = get(&world, &page_of(&copies[0]));
    assert!(page.contains("<bdi>Acme Garden Supplies</bdi>") && page.contains("<img src=\"logo/"));
    let shown = world.done(&["account", "show", "acme", "--json"]).json();
    assert_eq!(shown["page"]["display_name"], "Acme Garden Supplies");
    assert_eq!(shown["page"]["logo"]["media_type"], "image/png");
    let path = shown["page"]["logo"]["path"].as_str().expect("a path");
    let bytes = world.http_with(&format!("GET {path} HTTP/1.1"), "text/plain", "");
    assert!(bytes.ends_with(DOT), "{}", String::from_utf8_lossy(&bytes));
    for (wrong, reason) in [
        (["--logo", &text], "SVG"),
        (["--logo", "/nowhere/logo.png"], "nothing was changed"),
        (["--colour", "green"], "#rrggbb"),
        (["--display-name", "a\u{202e}b"], "control character"),
    ] {
        let said = world.relent(&[&set[..], &wrong].concat());
        assert_eq!(said.code, 1, "{wrong:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(reason), "{wrong:?}: {}", said.err);
    }
    assert_eq!(world.relent(&set).code, 2, "nothing is named that changes");
    world.done(&[&set[..], &["--display-name", "", "--logo", "", "--colour", ""]].concat());
    let page = get(&world, &page_of(&copies[0]));
    assert!(page.contains("<bdi>acme</bdi>") && !page.contains("<img"), "{page}");
    let audited = world.done(&["audit", "list"]).out;
    assert!(audited.contains("account.page_changed"), "{audited}");
}
