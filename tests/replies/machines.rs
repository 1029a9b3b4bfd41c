//! Machines that answer: bounces in the shapes of many servers with words that vary, delays, challenges,
//! vacation notes and complaints, made up by program; and people who write of the same things.

use super::classify;
use super::message::Chance;
use relent::replies::{Kind, Wish};

/// Who sends a notice.
const DAEMONS: &str = "Mail Delivery System <MAILER-DAEMON@mx.example>|<MAILER-DAEMON>|\
    Mail Delivery Subsystem <mailer-daemon@mx.example>|postmaster@mx.example|\
    \"Mail Delivery System\" <Mailer-Daemon@host7.example>|Microsoft Outlook <postmaster@mx.example>|\
    System Administrator <postmaster@corp.example>|PostMaster <postmaster@mail.example>|\
    MAILER-DAEMON@mail7.example (Mail Delivery System)|Internet Mail Delivery <postmaster@isp.example>";

/// Subjects of failures.
const SUBJECTS: &str = "Undelivered Mail Returned to Sender|Mail delivery failed: returning message to sender|\
    failure notice|Returned mail: see transcript for details|Delivery Status Notification (Failure)|\
    Undeliverable: Spring catalogue|Delivery failure|Returned mail: User unknown|Mail System Error - Returned Mail|\
    DELIVERY FAILURE: No such user|Unzustellbar: Frühling|Non remis : Printemps|No se puede entregar: Primavera|\
    系统退信|退信：春季目录|Недоставленное сообщение|配信不能: 春|배달되지 않음: 봄|Onbestelbaar: Lente|Impossibile recapitare: Primavera";

/// What the server says first, above whom it names.
const OPENINGS: &str = "This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could not\n\
    be delivered to one or more recipients.|This message was created automatically by mail delivery software.\n\n\
    A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:|\
    Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\
    This is a permanent error; I've given up. Sorry it didn't work out.|\
    The original message was received at Tue, 2 Jan 2024 10:00:00 GMT\nfrom localhost\n\n   ----- The following addresses had permanent fatal errors -----|\
    Delivery has failed to these recipients or groups:|Your message was not delivered to the recipient below.|\
    We could not deliver your mail to the address that follows.|您的邮件无法送达以下收件人：|\
    Die folgende Nachricht konnte nicht zugestellt werden an:|Le message n'a pas pu être remis au destinataire suivant :|\
    El mensaje no se pudo entregar al siguiente destinatario:|Ваше сообщение не может быть доставлено:|\
    次の宛先にメールを配信できませんでした。|다음 수신자에게 메일을 전달하지 못했습니다.|\
    Impossibile recapitare il messaggio al seguente destinatario:|Het bericht kon niet worden afgeleverd bij:";

/// Why, below or behind the address; `{a}` is it.
const REASONS: &str = "550 5.1.1 <{a}>: Recipient address rejected: User unknown|552 5.2.2 Mailbox full|\
    550 5.7.1 Message rejected as spam|SMTP error from remote mail server after RCPT TO:<{a}>: 550 no such user here|\
    554 5.4.14 Hop count exceeded|host mx.b.example said: 553 5.3.0 no mailbox by that name|\
    550 5.2.1 The email account that you tried to reach is disabled|Host or domain name not found|\
    550 #5.1.0 Address rejected.|The recipient's mailbox is over its limit.";

/// Subjects and words of delays.
const DELAYS: &[(&str, &str)] = &[
    (
        "Delayed Mail (still being retried)",
        "Your message could not be delivered for more than 4 hour(s).\nIt will be retried until it is 5 day(s) old.\n\n<{a}>: connect to mx.b.example: Connection timed out",
    ),
    (
        "Warning: message 1abc delayed 24 hours",
        "A message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\n  {a}\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.",
    ),
    (
        "Warning: could not send message for past 4 hours",
        "   ----- The following addresses had transient non-fatal errors -----\n<{a}>\n\n451 4.4.1 Operation timed out",
    ),
    (
        "Delivery Status Notification (Delay)",
        "Delivery to the following recipient has been delayed:\n\n     {a}\n\nMessage will be retried for 2 more day(s)",
    ),
];

/// Subjects and words of programs that answer for people.
const AWAY: &[(&str, &str)] = &[
    (
        "Automatic reply: Spring catalogue",
        "I am out until Monday. For urgent matters write to bob@b.example. T",
    ),
    ("Out of office: Spring catalogue", "Back on 8 January."),
    ("Abwesenheitsnotiz: Frühling", "Ich bin bis Montag nicht im Haus."),
    ("Réponse automatique : Printemps", "Je suis absent jusqu'à lundi."),
    ("Respuesta automática: Primavera", "Estaré fuera hasta el lunes."),
    ("Resposta automática: Primavera", "Estou ausente até segunda."),
    ("Risposta automatica: Primavera", "Sono assente fino a lunedì."),
    ("Automatisch antwoord: Lente", "Ik ben er maandag weer."),
    ("自动回复：春季目录", "您好，您的来信已收到。"),
    ("自動返信: 春", "ただいま不在にしております。"),
    ("부재중 자동 응답: 봄", "월요일까지 자리를 비웁니다."),
    ("Автоматический ответ: Весна", "Я в отпуске до понедельника."),
    ("Odpowiedź automatyczna: Wiosna", "Wracam w poniedziałek."),
    ("Automatiskt svar: Vår", "Jag är tillbaka på måndag."),
    ("Autosvar: Forår", "Jeg er tilbage mandag."),
    ("Automaattinen vastaus: Kevät", "Olen poissa maanantaihin."),
    ("Automatická odpověď: Jaro", "Jsem do pondělí mimo kancelář."),
    ("Otomatik yanıt: İlkbahar", "Pazartesi döneceğim."),
    ("Automatikus válasz: Tavasz", "Hétfőn jövök vissza."),
    ("Răspuns automat: Primăvară", "Revin luni."),
    ("Αυτόματη απάντηση: Άνοιξη", "Θα επιστρέψω τη Δευτέρα."),
    ("Automatski odgovor: Proljeće", "Vraćam se u ponedjeljak."),
    ("Trả lời tự động: Mùa xuân", "Tôi sẽ quay lại vào thứ Hai."),
    ("Balasan otomatis: Musim semi", "Saya kembali hari Senin."),
    ("ตอบกลับอัตโนมัติ: ฤดูใบไม้ผลิ", "จะกลับมาวันจันทร์"),
    ("תשובה אוטומטית: אביב", "אשוב ביום שני."),
    ("رد تلقائي: الربيع", "سأعود يوم الاثنين."),
    ("Автоматична відповідь: Весна", "Повернуся в понеділок."),
    ("Please confirm your message", "To have your message delivered, please reply to this mail. R"),
    (
        "Your email requires verification verify#aB3kZ",
        "The message you sent requires that you verify that you are a real live human being.",
    ),
    ("Sender verification required", "Click the link so that Ann sees your mail."),
];

/// People who write of the same things.
const PEOPLE: &[(&str, &str, &str)] = &[
    (
        "Ann <ann@b.example>",
        "Re: Spring catalogue",
        "Your last mail could not be delivered to my colleague ann@b.example, please send it again.",
    ),
    ("Ann <ann@b.example>", "Undeliverable parcel", "The parcel was returned to sender. What now?"),
    (
        "Ann <ann@b.example>",
        "Fwd: failure notice",
        "Do you know why?\n\n> Sorry, I wasn't able to deliver\n> <bob@b.example>:\n> 550 no",
    ),
    (
        "Ann <ann@b.example>",
        "Re: Automatic doors",
        "The doors are on vacation. Out of order, I mean.",
    ),
    ("邮件客服 <service@b.example>", "Re: 退信问题", "请问为什么我的邮件被退回？"),
    ("Ann <ann@b.example>", "Re: Delivery report", "Is the delivery report for March ready?"),
];

fn message(from: &str, subject: &str, head: &str, words: &str) -> Vec<u8> {
    let subject = if subject.is_ascii() {
        subject.to_owned()
    } else {
        format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(subject.as_bytes()))
    };
    format!(
        "From: {from}\r\nTo: b-x@reply.shop.example\r\nSubject: {subject}\r\n{head}\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n"
    )
    .into_bytes()
}

/// A notice in words: whom it names stands on a line of its own, in a frame, or before the reason.
fn notice(chance: &mut Chance, to: &str) -> Vec<u8> {
    let (from, subject) = (chance.form(DAEMONS), chance.form(SUBJECTS));
    let opening = chance.form(OPENINGS).replace("\\n", "\n");
    let reason = chance.form(REASONS).replace("{a}", to);
    let named = match chance.below(5) {
        0 => format!("<{to}>: {reason}"),
        1 => format!("<{to}>:\n{reason}"),
        2 => format!("  {to}\n    {reason}"),
        3 => format!("    {to}\n\nThe reason: {reason}"),
        _ => format!("{to}\n{reason}"),
    };
    let returned = match chance.below(4) {
        0 => {
            "\n\n------ This is a copy of the message, including all the headers. ------\n\nTo: eve@c.example\n\nReject Please Reply R\nR"
        }
        1 => {
            "\n\n--- Below this line is a copy of the message.\n\nFrom: news@shop.example\nTo: eve@c.example\n\nT"
        }
        2 => "\n\n----- Original message -----\n\nTo: eve@c.example\n\n退订回T",
        _ => "",
    };
    message(from, subject, "", &format!("{opening}\n\n{named}{returned}"))
}

#[test]
fn notices_never_seen_before_are_bounces_that_name_their_recipient() {
    let (mut all, mut found, mut right, mut wrong) = (0, 0, 0, Vec::new());
    for seed in 0..2000 {
        let mut chance = Chance(seed * 7919);
        let to = format!("ann{}@b{}.example", chance.below(1000), chance.below(50));
        let made = notice(&mut chance, &to);
        let read = classify(&made);
        all += 1;
        found += u32::from(read.kind == Kind::Bounce);
        let named: Vec<_> = read.recipients.iter().map(|one| one.address.as_str()).collect();
        let is_right = named == [to.as_str()] && read.recipients[0].permanent;
        right += u32::from(is_right);
        if !is_right || read.kind != Kind::Bounce {
            wrong.push(format!("{:?} {named:?} {}", read.kind, String::from_utf8_lossy(&made)));
        }
    }
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n---\n");
    assert!(found * 1000 >= all * 990, "{found} of {all} found\n{shown}");
    assert!(right * 1000 >= all * 983, "{right} of {all} right\n{shown}");
}

#[test]
fn a_message_that_is_only_late_is_given_up_by_nobody() {
    for (subject, words) in DELAYS {
        let from = "Mail Delivery System <mailer-daemon@mx.example>";
        let read = classify(&message(from, subject, "", &words.replace("{a}", "ann@b.example")));
        assert_eq!(read.kind, Kind::Bounce, "{subject}");
        assert_eq!(read.recipients.len(), 1, "{subject}");
        assert!(!read.recipients[0].permanent, "{subject}");
        assert_eq!(read.recipients[0].address, "ann@b.example");
    }
}

#[test]
fn a_delivery_status_says_of_each_recipient_what_became_of_it() {
    let status = |action: &str, code: &str, to: &str| {
        format!(
            "Original-Recipient: rfc822;{to}\r\nFinal-Recipient: RFC822; <{to}>\r\nAction: {action}\r\n\
             Status: {code} (said so)\r\nRemote-MTA: dns; mx.b.example\r\nDiagnostic-Code: smtp; 550 no\r\n\
             Last-Attempt-Date: Tue, 2 Jan 2024 10:00:00 +0000\r\n\r\n"
        )
    };
    let groups = [
        status("failed", "5.1.1", "ann@b.example"),
        status("delayed", "4.4.1", "bob@b.example"),
        status("delivered", "2.0.0", "eve@b.example"),
        status("relayed", "2.0.0", "kim@b.example"),
        status("expanded", "2.0.0", "lee@b.example"),
    ];
    let report = format!(
        "From: x@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary=b\r\n\r\n\
         --b\r\n\r\nSome words.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\nArrival-Date: Tue, 2 Jan 2024 10:00:00 +0000\r\n\r\n{}--b--\r\n",
        groups.concat()
    );
    let read = classify(report.as_bytes());
    let found: Vec<_> = read
        .recipients
        .iter()
        .map(|one| {
            (one.address.as_str(), one.status.as_deref(), one.permanent, one.reason.as_str())
        })
        .collect();
    assert_eq!(read.kind, Kind::Bounce);
    assert_eq!(
        found,
        [
            ("ann@b.example", Some("5.1.1"), true, "550 no"),
            ("bob@b.example", Some("4.4.1"), false, "550 no")
        ]
    );
}

#[test]
fn programs_that_answer_for_people_wish_for_nothing() {
    let mut wrong = Vec::new();
    for (subject, words) in AWAY {
        for head in ["", "Precedence: bulk\r\n"] {
            let read = classify(&message("Ann <ann@b.example>", subject, head, words));
            if read.kind != Kind::AutoReply || read.wish != Wish::None {
                wrong.push(format!("{subject}: {:?}", read.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn people_who_write_of_bounces_are_people() {
    for (from, subject, words) in PEOPLE {
        let read = classify(&message(from, subject, "", words));
        assert_eq!((read.kind, read.wish), (Kind::Person, Wish::None), "{subject}");
    }
}

#[test]
fn complaints_in_every_shape_are_complaints() {
    let original = "Received: from x\r\nSubject: Spring catalogue\r\nTo: undisclosed\r\n\r\nR\r\n";
    let arf = |kind: &str, feedback: &str| {
        format!(
            "From: fbl@isp.example\r\nSubject: FW: Spring catalogue\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
             --b\r\n\r\nThis is a report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {feedback}\r\nUser-Agent: X/1\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: {kind}\r\n\r\n{original}--b--\r\n"
        )
    };
    for kind in ["message/rfc822", "text/rfc822-headers"] {
        for feedback in ["abuse", "Fraud", "opt-out", "not-spam", "virus", "other"] {
            let read = classify(arf(kind, feedback).as_bytes());
            assert_eq!(read.kind, Kind::Complaint, "{feedback}");
            assert_eq!(read.feedback_type.as_deref(), Some(feedback.to_lowercase().as_str()));
            assert_eq!(read.wish, Wish::None);
        }
    }
}
