//! Lists of ours and of other services, read row by row: what each row says, and what is told of those that
//! say nothing.

use super::*;

/// What a list says, row by row, as text; then the columns that were not used.
fn read(text: impl AsRef<[u8]>) -> Vec<String> {
    let source = Cursor::new(text.as_ref().to_vec());
    let mut rows = match Rows::open(source, Origin::default(), 100) {
        Ok(rows) => rows,
        Err(why) => return vec![format!("no list: {why}")],
    };
    let mut said = Vec::new();
    while let Some((line, row)) = rows.next().expect("memory can be read") {
        said.push(match row {
            Found::Cells(cells) => {
                let cells = cells.iter().map(|(column, text)| format!("{column:?}={text}"));
                format!("{line} {}", cells.collect::<Vec<_>>().join(" "))
            }
            Found::LeftOut(why) => format!("{line} left out: {why}"),
            Found::Unreadable(wrong) => format!("{line} `{}`: {}", wrong.given, wrong.why),
        });
    }
    said.extend((!rows.unused.is_empty()).then(|| format!("unused: {}", rows.unused.join(" "))));
    said
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let text = "\u{FEFF}Created,First name,E-Mail,email,reason\r\n\
                2026-01-02,Ann,ann@x.example,b@x.example,opt_out\r\n\r\n\
                ,\"Bob, \"\"B\"\"\nthe second\",'@x.example\r\n";
    assert_eq!(
        read(text),
        [
            "2 At=2026-01-02 Recipient=ann@x.example Reason=opt_out",
            "4 Recipient=@x.example",
            "unused: First name email"
        ]
    );
}

#[test]
fn an_open_quote_swallows_no_row_in_silence() {
    let head = "recipient,source\n";
    for (rows, last) in [
        ("a1@x.example,\"open\na2@x.example,x\n", 3),
        ("a1@x.example,\"open\na2@x.example,x\na3@x.example,\"closed\"\n", 4),
        ("a1@x.example,\"open\" then\n", 2),
        ("a1@x.example,\"open", 2),
    ] {
        let said = read(format!("{head}{rows}"));
        assert_eq!(said.len(), 1, "{said:?}");
        let lines = format!("none of lines 2 to {last} was read");
        assert!(said[0].starts_with("2 `") && said[0].contains(&lines), "{said:?}");
    }
    let fine = "a1@x.example,\"a \"\"word\"\", and\nmore\"\na2@x.example,plain \"\n";
    assert_eq!(read(format!("{head}{fine}")).len(), 2);
}

#[test]
fn a_column_of_addresses_needs_no_name() {
    assert_eq!(read("ann@x.example\nbob"), ["1 Recipient=ann@x.example", "2 Recipient=bob"]);
    assert_eq!(read("\n\nann@x.example\r\n"), ["3 Recipient=ann@x.example"]);
    assert_eq!(read("email\nann@x.example,,\n"), ["2 Recipient=ann@x.example"]);
    assert_eq!(read(""), [""; 0]);
}

#[test]
fn what_is_no_list_is_told_with_what_it_says() {
    let said = read("name;mail\nAnn;ann@x.example\n").concat();
    assert!(said.contains("line 1 names no column `recipient`"), "{said}");
    assert!(said.contains("`name;mail`; columns are parted by commas"), "{said}");
    assert!(read(b"\xFF\xFEa\0").concat().contains("save it as UTF-8"));
}

#[test]
fn a_row_that_cannot_be_read_is_told_and_the_next_is_read() {
    let long = "x".repeat(500);
    let text = [
        b"email,reason\nann@x.example,a,b\n\"".as_slice(),
        long.as_bytes(),
        b"\n\",y\nb\xFF@x.example,\nlast@x.example\n",
    ];
    let said = read(text.concat());
    assert!(said[0].starts_with("2 `ann@x.example,a,b`: it has more cells"), "{said:?}");
    assert!(said[1].starts_with("3 `xxx") && said[1].contains("(100 bytes)"), "{said:?}");
    assert!(said[2].starts_with("5 ") && said[2].ends_with("it is not UTF-8"), "{said:?}");
    assert_eq!(said[3], "6 Recipient=last@x.example");
    let many = format!("email\n{}\nann@x.example\n", ",".repeat(1000));
    let said = read(many);
    assert!(said[0].starts_with("2 ") && said[1] == "3 Recipient=ann@x.example", "{said:?}");
}

#[test]
fn lines_of_json_are_read_by_the_same_names() {
    let long = "x".repeat(500);
    let text = format!(
        "{{\"email\": \"ann@x.example\", \"created\": 1700000000, \"ip\": null, \"n\": 1}}\n\n\
         {{\"recipient\": [1]}}\nno\n{{\"email\": \"{long}\"}}\n{{\"address\":\"'=b@x.example\"}}"
    );
    let said = read(text);
    assert_eq!(said[0], "1 At=1700000000 Recipient=ann@x.example");
    assert!(said[1].starts_with("3 ") && said[1].contains("`recipient` is no text"));
    assert!(said[2].starts_with("4 `no\n`: it is no JSON object"), "{said:?}");
    assert!(said[3].starts_with("5 ") && said[3].contains("(100 bytes)"), "{said:?}");
    assert_eq!(said[4..], ["6 Recipient='=b@x.example", "unused: n"]);
}

/// A list of another service, read; each row as `reason recipient at`, and its stream where it has one.
fn moved(from: &str, text: &str) -> Vec<String> {
    let from = match from {
        "" => From::Unsaid,
        from => services::from(from).expect("a service"),
    };
    let streams = vec![("Weekly".into(), "weekly".into()), (String::new(), "news".into())];
    let origin = Origin { format: None, from, streams };
    let source = Cursor::new(text.as_bytes().to_vec());
    let mut rows = match Rows::open(source, origin, 2000) {
        Ok(rows) => rows,
        Err(why) => return vec![format!("no list: {why}")],
    };
    let list = rows.list.map(List::told).unwrap_or_default();
    let mut said = vec![list];
    while let Some((line, row)) = rows.next().expect("memory can be read") {
        said.push(match row {
            Found::Cells(cells) => {
                let cell = |wanted| {
                    let found = cells.iter().find(|(column, _)| *column == wanted);
                    found.map(|(_, text)| text.as_str()).unwrap_or("-")
                };
                let columns = [Column::Reason, Column::Recipient, Column::At, Column::Stream];
                columns.map(cell).join(" ")
            }
            Found::LeftOut(why) => format!("left out: {why}"),
            Found::Unreadable(wrong) => format!("{line}: {}", wrong.why),
        });
    }
    said
}

const SOFT: &str = "left out: a refusal that was not for good stops nobody";

/// Each as the service's documentation shows it.
#[allow(clippy::too_many_lines, reason = "a row a list")]
#[test]
fn what_large_services_export_is_understood() {
    for (from, text, list, rows) in [
        (
            "sendgrid:bounces",
            "status,reason,email,created\n5.1.1,\"550 5.1.1 unknown, bye\",a@x.example,1443651125\n\
             4.2.2,mailbox full,b@x.example,1443651126\n,,c@x.example,1443651127\n",
            "SendGrid: bounces",
            &["hard_bounce a@x.example 1443651125 -", SOFT, "hard_bounce c@x.example 1443651127 -"]
                [..],
        ),
        (
            "sendgrid:bounces",
            r#"[{"created": 1443651125, "email": "a@x.example", "reason": "550 5.1.1", "status": "5.1.1"}]"#,
            "SendGrid: bounces",
            &["hard_bounce a@x.example 1443651125 -"],
        ),
        (
            "sendgrid:blocks",
            "status,reason,email,created\n4.0.0,busy,a@x.example,1443651154\n",
            "SendGrid: blocks",
            &[SOFT],
        ),
        (
            "sendgrid",
            "reason,email,created\nMail domain mentioned is not known,a@x.example,1449953655\n",
            "SendGrid: invalid emails",
            &["hard_bounce a@x.example 1449953655 -"],
        ),
        (
            "",
            "ip,email,created\n10.89.32.5,a@x.example,1443651141\n",
            "SendGrid: spam reports",
            &["complaint a@x.example 1443651141 -"],
        ),
        (
            "sendgrid",
            "email,created\na@x.example,1443651141\n",
            "SendGrid: unsubscribes",
            &["opt_out a@x.example 1443651141 news"],
        ),
        (
            "",
            "[\n {\"email\": \"a@x.example\", \"group_id\": 1, \"group_name\": \"Weekly\", \"created_at\": 1410986704},\n \
             {\"email\": \"b@x.example\", \"group_id\": 2, \"group_name\": \"Offers\", \"created_at\": 1411493671}\n]\n",
            "SendGrid: group unsubscribes",
            &["opt_out a@x.example 1410986704 weekly", "opt_out b@x.example 1411493671 news"],
        ),
        (
            "sendgrid:group_unsubscribes",
            r#"["a@x.example", "b@x.example"]"#,
            "SendGrid: group unsubscribes",
            &["opt_out a@x.example - news", "opt_out b@x.example - news"],
        ),
        (
            "",
            r#"{"items": [{"address": "a@x.example", "code": "550", "error": "No such mailbox",
                "created_at": "Fri, 21 Oct 2011 11:02:55 UTC", "MessageHash": "x"},
               {"address": "b@x.example", "code": "421", "error": "later", "created_at": "Fri, 21 Oct 2011 11:02:56 UTC"}],
               "paging": {"next": "https://…", "previous": "https://…"}}"#,
            "Mailgun: bounces",
            &["hard_bounce a@x.example 2011-10-21T11:02:55Z -", SOFT],
        ),
        (
            "",
            "address,tags,created_at\na@x.example,*,\"Fri, 21 Oct 2011 11:02:55 GMT\"\nb@x.example,Weekly,\"Fri, 21 Oct 2011 11:02:55 GMT\"\n",
            "Mailgun: unsubscribes",
            &[
                "opt_out a@x.example 2011-10-21T11:02:55Z news",
                "opt_out b@x.example 2011-10-21T11:02:55Z weekly",
            ],
        ),
        (
            "mailgun",
            r#"{"items": [{"address": "a@x.example", "created_at": "Fri, 21 Oct 2011 11:02:55 GMT"}]}"#,
            "Mailgun: complaints",
            &["complaint a@x.example 2011-10-21T11:02:55Z -"],
        ),
        (
            "",
            r#"{"Suppressions":[
              {"EmailAddress":"a@x.example","SuppressionReason":"ManualSuppression","Origin":"Customer","CreatedAt":"2019-12-10T08:58:33-05:00"},
              {"EmailAddress":"b@x.example","SuppressionReason":"ManualSuppression","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
              {"EmailAddress":"c@x.example","SuppressionReason":"HardBounce","Origin":"Recipient","CreatedAt":"2019-12-11T08:58:33-05:00"},
              {"EmailAddress":"d@x.example","SuppressionReason":"SpamComplaint","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
              {"EmailAddress":"e@x.example","SuppressionReason":"Whim","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"}]}"#,
            "Postmark: suppressions",
            &[
                "manual a@x.example 2019-12-10T13:58:33Z -",
                "opt_out b@x.example 2019-12-10T13:58:33Z news",
                "hard_bounce c@x.example 2019-12-11T13:58:33Z -",
                "complaint d@x.example 2019-12-10T13:58:33Z -",
                "6: Postmark: suppressions does not say why by any word that is known: it says suppressionreason `Whim`, origin `Recipient`",
            ],
        ),
        (
            "",
            "EmailAddress,SuppressionReason,Origin,CreatedAt\na@x.example,HardBounce,Recipient,2019-12-10T08:58:33-05:00\n",
            "Postmark: suppressions",
            &["hard_bounce a@x.example 2019-12-10T13:58:33Z -"],
        ),
        (
            "",
            "{\n  \"SuppressedDestinationSummaries\": [\n    {\n      \"EmailAddress\": \"a@x.example\",\n      \"Reason\": \"COMPLAINT\",\n      \
             \"LastUpdateTime\": \"2020-04-10T21:03:05-07:00\"\n    },\n    {\n      \"EmailAddress\": \"b@x.example\",\n      \"Reason\": \"BOUNCE\",\n      \
             \"LastUpdateTime\": 1586447400.5\n    }\n  ],\n  \"NextToken\": \"abc\"\n}\n",
            "Amazon SES: suppressions",
            &[
                "complaint a@x.example 2020-04-11T04:03:05Z -",
                "hard_bounce b@x.example 1586447400 -",
            ],
        ),
        (
            "ses",
            "a@x.example,BOUNCE\nb@x.example,COMPLAINT\n",
            "Amazon SES: suppressions",
            &["hard_bounce a@x.example - -", "complaint b@x.example - -"],
        ),
        (
            "ses",
            "{\"emailAddress\":\"a@x.example\",\"reason\":\"BOUNCE\"}\n{\"emailAddress\":\"b@x.example\",\"reason\":\"COMPLAINT\"}\n",
            "Amazon SES: suppressions",
            &["hard_bounce a@x.example - -", "complaint b@x.example - -"],
        ),
        (
            "",
            r#"{"Contacts": [{"EmailAddress": "a@x.example", "TopicPreferences": [], "UnsubscribeAll": true, "LastUpdatedTimestamp": 1586447400},
               {"EmailAddress": "b@x.example", "UnsubscribeAll": false}]}"#,
            "Amazon SES: contacts",
            &["opt_out a@x.example 1586447400 news", "left out: a person who has not unsubscribed"],
        ),
        (
            "",
            r#"{"result": true, "statusCode": 200, "message": "请求成功", "info": {"dataList": [
               {"email": "a@x.example", "unsubscribeTime": "2021-07-15 17:55:20", "domain": "x.example", "labelId": 0,
                "apiUser": "u", "unsubscribeType": 0, "unsubscribeTypeDesc": "我不想再收到此类邮件"},
               {"email": "b@x.example", "unsubscribeTime": "2021-07-15 17:55:20", "unsubscribeType": 2}], "count": 2}}"#,
            "SendCloud: unsubscribes",
            &[
                "opt_out a@x.example 2021-07-15T09:55:20Z news",
                "complaint b@x.example 2021-07-15T09:55:20Z -",
            ],
        ),
        (
            "",
            "email,reason,domain,bounceTime,expireTime\na@x.example,Mailbox not found,x.example,2016-02-01 14:53:20,2021-07-09 00:59:37\n",
            "SendCloud: bounces",
            &["hard_bounce a@x.example 2016-02-01T06:53:20Z -"],
        ),
        (
            "",
            r#"{"results": [{"recipient": "a@x.example", "type": "non_transactional", "source": "List Unsubscribe", "description": "", "created": "2016-05-02T16:29:56+00:00"},
               {"recipient": "b@x.example", "type": "transactional", "source": "Bounce Rule"}]}"#,
            "SparkPost: suppressions",
            &["opt_out a@x.example 2016-05-02T16:29:56Z news", "hard_bounce b@x.example - -"],
        ),
        (
            "",
            r#"[{"email": "a@x.example", "reason": "unsub", "detail": "", "created_at": "2013-01-01 15:30:27", "last_event_at": null, "expires_at": null, "expired": false},
               {"email": "b@x.example", "reason": "soft-bounce", "created_at": "2013-01-01 15:30:27", "expires_at": "2013-01-02 15:30:27"}]"#,
            "Mandrill: rejects",
            &["opt_out a@x.example 2013-01-01T15:30:27Z news", SOFT],
        ),
        (
            "",
            "Email Address,First Name,UNSUB_TIME,UNSUB_REASON\na@x.example,Ann,2020-01-02 03:04:05,No longer interested\n",
            "Mailchimp: unsubscribed",
            &["opt_out a@x.example 2020-01-02T03:04:05Z news"],
        ),
    ] {
        let said = moved(from, text);
        assert_eq!(said[0], list, "{text}\n{said:?}");
        assert_eq!(said[1..], *rows, "{text}");
    }
}

#[test]
fn a_list_whose_meaning_is_in_doubt_is_refused_whole() {
    for (from, text, words) in [
        (
            "",
            "status,reason,email,created\n5.1.1,x,a@x.example,1443651125\n",
            "--from sendgrid:bounces or --from sendgrid:blocks, or --from none",
        ),
        (
            "mailgun",
            "email,why\na@x.example,x\n",
            "are those of no list of mailgun: name the list, as in --from mailgun:bounces",
        ),
        (
            "postmark:suppressions",
            "address\na@x.example\n",
            "no column of it names recipients as Postmark: suppressions does: emailaddress",
        ),
        (
            "mailgun",
            r#"{"items": [{"type": "address", "value": "a@x.example"}]}"#,
            "are those of no list of mailgun",
        ),
    ] {
        let said = moved(from, text);
        assert!(said.len() == 1 && said[0].starts_with("no list: "), "{text}: {said:?}");
        assert!(said[0].contains(words), "{text}: {said:?}");
    }
    // What may be anybody's is a plain list, with the words that such lists have.
    assert_eq!(
        moved("", "email,created\na@x.example,1443651141\n")[1..],
        ["- a@x.example 1443651141 -"]
    );
    let plain = moved("none", "status,reason,email,created\n5.1.1,manual,a@x.example,1443651125\n");
    assert_eq!(plain, ["", "manual a@x.example 1443651125 -"]);
}

#[test]
fn what_a_service_says_is_kept_as_evidence() {
    let text = "status,reason,email,created\n5.1.1,\"550 5.1.1, gone\",a@x.example,1443651125\n";
    let origin =
        Origin { from: services::from("sendgrid:bounces").expect("one"), ..Origin::default() };
    let mut rows = Rows::open(Cursor::new(text), origin, 2000).expect("a list");
    let Some((2, Found::Cells(cells))) = rows.next().expect("memory") else {
        unreachable!("no row")
    };
    let source =
        (Column::Source, "SendGrid: bounces; status: 5.1.1; reason: 550 5.1.1, gone".to_owned());
    assert!(cells.contains(&source), "{cells:?}");
}

#[test]
fn a_document_that_is_cut_is_told() {
    let said = moved(
        "",
        "{\"Suppressions\":[{\"EmailAddress\":\"a@x.example\",\"SuppressionReason\":\"HardBounce\"},\n{\"Ema",
    );
    assert_eq!(said[1], "hard_bounce a@x.example - -");
    assert!(said[2].starts_with("2: the file ends before its array does"), "{said:?}");
    // Our own columns in a document, and a single line that is one.
    assert_eq!(
        read(r#"[{"email": "a@x.example", "reason": "manual"}]"#),
        ["1 Recipient=a@x.example Reason=manual"]
    );
    assert_eq!(read(r#"["a@x.example"]"#), ["1 Recipient=a@x.example"]);
}
