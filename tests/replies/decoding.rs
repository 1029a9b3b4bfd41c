//! Decoding, from outside: whatever charset, label and encoding a wish comes in, it is read; past the limits
//! it is not.

use super::message::{Chance, tongues};
use super::{WORDS, classify, mime};
use relent::config;
use relent::replies::{Kind, Wish};

const HEAD: &str =
    "From: Ann <ann@b.example>\r\nSubject: Re: Spring catalogue\r\nMIME-Version: 1.0\r\n";

fn read(head: &str, body: &[u8]) -> (Kind, Wish) {
    let message = [HEAD.as_bytes(), head.as_bytes(), b"\r\n\r\n", body].concat();
    let read = classify(&message);
    (read.kind, read.wish)
}

fn wish(head: &str, body: &[u8]) -> Wish {
    read(head, body).1
}

#[test]
fn any_charset_keeps_the_wish_whatever_carries_it() {
    let mut read = 0;
    for tongue in tongues() {
        for (said, expected) in [(tongue.leave, Wish::Unsubscribe), (tongue.reject, Wish::Reject)] {
            let said: Vec<&str> = said.split('|').filter(|said| !said.contains("\\n")).collect();
            for charset in [&["utf-8", "utf-16", "utf-7"], tongue.charsets].concat() {
                for said in &said {
                    // Three times, for three encodings of the same.
                    for seed in 0..3 {
                        let mut chance = Chance(seed);
                        let text =
                            format!("{said}\n\n> Spring catalogue\n> Reject Please Reply R\n> T\n");
                        if mime::encoded(&text, charset).is_none() {
                            continue;
                        }
                        let (message, _) =
                            mime::wrapped("Re: x", &text, None, charset, &mut chance);
                        let found = classify(&message);
                        assert_eq!(found.wish, expected, "{} {charset} {said}", tongue.code);
                        read += 1;
                    }
                }
            }
        }
    }
    assert!(read > 2000, "only {read}");
}

#[test]
fn a_missing_or_wrong_label_does_not_hide_the_wish() {
    let gbk = encoding_rs::GBK.encode("退订\n\n> 尊敬的客户，新品上市，敬请关注。\n").0;
    let russian = "Отписаться\n\n> Уважаемый покупатель, наш весенний каталог уже здесь.\n";
    let windows = encoding_rs::WINDOWS_1251.encode(russian).0;
    let japanese = "配信停止\n\n> お客様各位、いつもご利用いただき、ありがとうございます。\n";
    let shift = encoding_rs::SHIFT_JIS.encode(japanese).0;
    let taiwan =
        encoding_rs::BIG5.encode("退訂\n\n> 親愛的客戶您好，感謝您一直以來的支持與愛護。\n").0;
    for head in ["X: y", "Content-Type: text/plain", "Content-Type: text/plain; charset=utf-8"] {
        for body in [&gbk, &windows, &shift, &taiwan] {
            assert_eq!(wish(head, body), Wish::Unsubscribe, "{head} {body:?}");
        }
    }
    let label = "Content-Type: text/plain; charset=x-unknown";
    assert_eq!(wish(label, "取消订阅\n".as_bytes()), Wish::Unsubscribe);
    assert_eq!(
        wish("Content-Type: text/plain; charset=iso-8859-1", "退订".as_bytes()),
        Wish::Unsubscribe
    );
    assert_eq!(wish("X: y", b"\xfe\xff\x90\x00\x8b\xa2"), Wish::Unsubscribe, "UTF-16 by its mark");
    let page = b"<html><head><meta charset=\"gb2312\"></head><p>\xcd\xcb\xb6\xa9</p></html>";
    assert_eq!(wish("Content-Type: text/html", page), Wish::Unsubscribe);
}

#[test]
fn references_to_characters_in_plain_text_are_read() {
    let head = "Content-Type: text/plain; charset=iso-8859-1";
    assert_eq!(wish(head, b"&#36864;&#35746;"), Wish::Unsubscribe);
    assert_eq!(wish(head, b"&#x62d2;&#x6536;\r\n&gt; T\r\n"), Wish::Reject);
    assert_eq!(wish(head, b"&nbsp;T&nbsp;\r\n&gt; R\r\n"), Wish::Unsubscribe);
}

#[test]
fn soft_lines_are_joined() {
    let head = "Content-Type: text/plain; format=flowed";
    let body = b"Please take my \r\naddress off \r\nyour list.\r\n> R \r\n> T\r\n";
    assert_eq!(wish(head, body), Wish::Unsubscribe);
    let head = "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes";
    assert_eq!(wish(head, "请取 \r\n消订阅\r\n".as_bytes()), Wish::Unsubscribe);
    // A quote of another depth goes on with nobody.
    let body = b"> all my \r\nT\r\n";
    assert_eq!(wish("Content-Type: text/plain; format=flowed", body), Wish::Unsubscribe);
}

#[test]
fn what_is_no_text_is_left_alone() {
    let tnef = b"eJ8+IgAAAQAAAFQAAABUAAAA\r\n";
    let head =
        "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64";
    assert_eq!(read(head, tnef), (Kind::Person, Wish::None));
    let uu = b"T\r\n\r\nbegin 644 x.txt\r\n#4@T*\r\n`\r\nend\r\n";
    assert_eq!(wish("Content-Type: text/plain", uu), Wish::Unsubscribe);
    let uu = b"begin 644 x.txt\r\n#4@T*\r\n`\r\nend\r\n";
    assert_eq!(wish("Content-Type: text/plain", uu), Wish::None);
}

#[test]
fn nested_parts_are_found_and_past_the_limits_nothing_is_read() {
    let nest = |depth: usize, leaf: &str| {
        let mut out = String::new();
        for at in 0..depth {
            out.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n"
            ));
        }
        out + leaf
    };
    let message = |body: &str| format!("{HEAD}{body}");
    let limits = config::Replies::default();
    let read = |text: &str, limits: &config::Replies| {
        relent::replies::classify(message(text).as_bytes(), limits, WORDS.all())
    };
    let leaf = "Content-Type: text/html\r\n\r\n<p>T</p>\r\n";
    assert_eq!(read(&nest(5, leaf), &limits).wish, Wish::Unsubscribe);
    for (text, limits) in [
        (nest(5, leaf), config::Replies { depth_max: 4, ..limits.clone() }),
        (
            nest(1, &format!("\r\nT\r\n--b0\r\n{leaf}--b0\r\n{leaf}")),
            config::Replies { parts_max: 2, ..limits.clone() },
        ),
        (
            format!("\r\nT\r\n{}", "> R\r\n".repeat(500)),
            config::Replies { text_size_max: config::Size(1000), ..limits.clone() },
        ),
    ] {
        let found = read(&text, &limits);
        assert_eq!((found.kind, found.wish, found.beyond), (Kind::Person, Wish::None, true));
    }
}
