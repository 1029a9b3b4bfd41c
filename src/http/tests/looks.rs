//! What an account shows of itself: set by the operator, seen on recipients' pages.

use super::*;

/// A picture of one pixel.
const DOT: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

/// Sends bytes as they are, and reads the answer's.
async fn raw(socket: &std::path::Path, line: &str, body: &[u8]) -> (u16, String) {
    let mut io = UnixStream::connect(socket).await.expect("connected");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: relay.example\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    io.write_all(&[head.as_bytes(), body].concat()).await.expect("sent");
    let mut text = String::new();
    io.read_to_string(&mut text).await.expect("an answer");
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, text)
}

async fn fetch(to: SocketAddr, path: &str, field: &str) -> (String, Vec<u8>) {
    let mut io = TcpStream::connect(to).await.expect("connected");
    let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{field}\r\n");
    io.write_all(text.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.expect("an answer");
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&bytes[..at]).to_lowercase(), bytes[at + 4..].to_vec())
}

#[tokio::test]
async fn the_page_shows_name_logo_and_colours_of_the_account() {
    let house = House::build().await;
    let (to, token, socket) = (house.public().await, house.token(), house.admin());
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("<bdi>acme</bdi>") && !page.body.contains("<img"));
    let name = "Müller <b>& Söhne</b>";
    let body = json!({ "display_name": name, "colour": "#ffee00" });
    let set = api(&socket, "PATCH /api/v1/accounts/acme/page", &body).await;
    assert_eq!(set.status, 200, "{}", set.body);
    let notes = set.json()["notes"].to_string();
    assert!(notes.contains("#ffee00 is shown as #") && notes.contains("light pages"), "{notes}");
    let (status, text) = raw(&socket, "PUT /api/v1/accounts/acme/page/logo", DOT).await;
    assert_eq!(status, 200, "{text}");
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(
        page.body.contains("<bdi>Müller &lt;b&gt;&amp; Söhne&lt;/b&gt;</bdi>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("#ffee00}@media"), "a yellow that nobody can read on white");
    assert!(page.body.contains("{:root{--accent:#ffee00}}"), "on dark it can be read");
    assert!(page.head.contains("img-src 'self'"));
    let logo = page.body.split("<img src=\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = format!("/u/{}", logo.expect("a logo"));
    let (head, bytes) = fetch(to, &path, "").await;
    assert_eq!(bytes, DOT);
    for field in ["content-type: image/png", "x-content-type-options: nosniff", "immutable"] {
        assert!(head.contains(field), "{field}: {head}");
    }
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an ETag");
    let (head, bytes) = fetch(to, &path, &format!("If-None-Match: {tag}\r\n")).await;
    assert!(head.starts_with("http/1.1 304") && bytes.is_empty(), "{head}");
    // Deeper pages find it too.
    let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
    assert!(page.body.contains("<img src=\"../logo/"), "{}", page.body);
    let done = api(&socket, "DELETE /api/v1/accounts/acme/page/logo", &Value::Null).await;
    assert_eq!(done.json()["logo"], Value::Null);
    assert!(fetch(to, &path, "").await.0.starts_with("http/1.1 404"));
    let body = json!({ "display_name": null });
    api(&socket, "PATCH /api/v1/accounts/acme/page", &body).await;
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("<bdi>acme</bdi>"));
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_with_the_reason_and_changes_nothing() {
    let house = House::build().await;
    let socket = house.admin();
    let page = "/api/v1/accounts/acme/page";
    for (body, status, reason) in [
        (json!({ "colour": "red" }), 422, "#rrggbb"),
        (json!({ "colour_dark": "#12" }), 422, "colour_dark"),
        (json!({ "display_name": "a\u{202e}b" }), 409, "control character"),
        (json!({ "display_name": "x".repeat(101) }), 409, "longer than 100"),
        (json!({ "display_name": " " }), 409, "no letter"),
        (json!({ "color": "#123456" }), 422, "color"),
        (json!({ "display_name": 7 }), 422, "string"),
    ] {
        let refused = api(&socket, &format!("PATCH {page}"), &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        assert!(refused.body.contains(reason), "{body}: {}", refused.body);
    }
    let line = format!("PUT {page}/logo");
    for (file, status, reason) in [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>".to_vec(), 409, "SVG"),
        (DOT[..20].to_vec(), 409, "damaged"),
        ([DOT, &vec![0; 40 << 10]].concat(), 413, "http.logo_size_max"),
        (Vec::new(), 409, "neither"),
    ] {
        let (found, text) = raw(&socket, &line, &file).await;
        assert!(found == status && text.contains(reason), "{reason}: {text}");
    }
    let (status, _) = raw(&socket, "PUT /api/v1/accounts/nobody/page/logo", DOT).await;
    assert_eq!(status, 404);
    let now = api(&socket, &format!("GET {page}"), &Value::Null).await.json();
    let nothing = json!({
        "display_name": null, "colour": null, "colour_dark": null, "logo": null, "notes": [],
    });
    assert_eq!(now, nothing);
}
