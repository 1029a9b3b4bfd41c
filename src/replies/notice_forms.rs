//! Notices in the forms of many servers, in words of our own: whom each names, and whether for good.

use super::classify::{Kind, classify};
use super::words::tests::plain;
use crate::config;

/// From, subject, notice, and what is to be read: `-` before an address that is only late.
const NOTICES: &[(&str, &str, &str, &[&str])] = &[
    // qmail
    (
        "MAILER-DAEMON@mx.example",
        "failure notice",
        "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your \
         message to the following addresses.\nThis is a permanent error; I've given up. Sorry it \
         didn't work out.\n\n<ann@b.example>:\n192.0.2.1 does not like recipient.\nRemote host said: \
         550 5.1.1 <ann@b.example> no mailbox here\nGiving up on 192.0.2.1.\n\n--- Below this line \
         is a copy of the message.\n\nReturn-Path: <shop@s.example>\nTo: eve@b.example\n",
        &["ann@b.example"],
    ),
    (
        "MAILER-DAEMON@mx.example",
        "failure notice",
        "Hi. This is the qmail-send program.\n\n<ann@b.example>:\nSorry, I wasn't able to establish \
         an SMTP connection. (#4.4.1)\nI'm not going to try again; this message has been in the \
         queue too long.\n",
        &["ann@b.example"],
    ),
    // Exim
    (
        "Mail Delivery System <Mailer-Daemon@mx.example>",
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you \
         sent could not be delivered to one or more of its\nrecipients. This is a permanent error. \
         The following address(es) failed:\n\n  ann@b.example\n    host mx.b.example [192.0.2.1]\n    \
         SMTP error from remote mail server after RCPT TO:<ann@b.example>:\n    550 5.1.1 unknown \
         user\n\n------ This is a copy of the message, including all the headers. ------\n\nTo: x@y.example\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery System <Mailer-Daemon@mx.example>",
        "Warning: message 1abcde-000001-AB delayed 24 hours",
        "This message was created automatically by mail delivery software.\nA message that you have \
         sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours \
         on the queue.\n\nThe address to which the message has not yet been delivered is:\n\n  \
         ann@b.example\n    Delay reason: timeout\n\nNo action is required on your part.\n",
        &["-ann@b.example"],
    ),
    // Postfix, text alone
    (
        "MAILER-DAEMON@mx.example (Mail Delivery System)",
        "Undelivered Mail Returned to Sender",
        "This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your \
         message could not\nbe delivered to one or more recipients. It's attached below.\n\nFor \
         further assistance, please send mail to postmaster.\n\n                   The mail \
         system\n\n<ann@b.example>: host mx.b.example[192.0.2.1] said: 550 5.1.1\n    \
         <ann@b.example>: Recipient address rejected (in reply to RCPT TO command)\n\n\
         <bob@c.example>: Host or domain name not found.\n",
        &["ann@b.example", "bob@c.example"],
    ),
    (
        "MAILER-DAEMON@mx.example (Mail Delivery System)",
        "Delayed Mail (still being retried)",
        "This is the mail system at host mx.example.\n\n# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO \
         RESEND YOUR MESSAGE. #\n\nYour message could not be delivered for more than 4 hour(s).\nIt \
         will be retried until it is 5 day(s) old.\n\n<ann@b.example>: connect to mx.b.example: \
         timed out\n",
        &["-ann@b.example"],
    ),
    // Sendmail
    (
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.example>",
        "Returned mail: see transcript for details",
        "The original message was received at Mon, 1 Jan 2024 10:00:00 GMT\nfrom shop.example \
         [192.0.2.9]\n\n   ----- The following addresses had permanent fatal errors -----\n\
         <ann@b.example>\n    (reason: 550 5.1.1 <ann@b.example>... User unknown)\n\n   ----- \
         Transcript of session follows -----\n... while talking to mx.b.example.:\n>>> DATA\n<<< \
         550 5.1.1 <ann@b.example>... User unknown\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.example>",
        "Warning: could not send message for past 4 hours",
        "    **********************************************\n    **      THIS IS A WARNING MESSAGE \
         ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    \
         **********************************************\n\n   ----- The following addresses had \
         transient non-fatal errors -----\n<ann@b.example>\n\n   ----- Transcript of session \
         follows -----\n451 4.4.1 timeout\n",
        &["-ann@b.example"],
    ),
    // Exchange, old and new
    (
        "System Administrator <postmaster@x.example>",
        "Undeliverable: Flight delayed?",
        "Your message\n\n  To:      ann@b.example\n  Subject: Flight delayed?\n  Sent:    Mon, 1 Jan \
         2024 10:00:00 +0000\n\ndid not reach the following recipient(s):\n\nann@b.example on Mon, 1 \
         Jan 2024 10:00:05 +0000\n    The recipient name is not recognized\n\tThe MTS-ID of the \
         original message is: c=us;a= ;p=x;l=X\n    MSEXCH:IMS:X:SITE:HOST 0 (000C05A6) Unknown \
         Recipient\n",
        &["ann@b.example"],
    ),
    (
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@x.example>",
        "Undeliverable: News",
        "Delivery has failed to these recipients or groups:\n\nann@b.example<mailto:ann@b.example>\n\
         The email address you entered couldn't be found. Please check the address.\n\nDiagnostic \
         information for administrators:\n\nGenerating server: mx.x.example\n\nann@b.example\n#550 \
         5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOriginal message headers:\n\nReceived: \
         from x\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Delivery Status Notification (Failure)",
        "This is an automatically generated Delivery Status Notification.\n\nDelivery to the \
         following recipients failed.\n\n       ann@b.example\n\n",
        &["ann@b.example"],
    ),
    (
        "Mail Administrator <postmaster@x.example>",
        "Mail System Error - Returned Mail",
        "This Message was undeliverable due to the following reason:\n\nThe user(s) account is \
         temporarily over quota.\n\n<ann@b.example>\n\nPlease reply to Postmaster@x.example\nif you \
         feel this message to be in error.\n",
        &["ann@b.example"],
    ),
    // Domino, GroupWise
    (
        "postmaster@x.example",
        "DELIVERY FAILURE: User ann (ann@b.example) not listed in Domino Directory",
        "Your message\n\n  Subject: News\n\nwas not delivered to:\n\n  ann@b.example\n\nbecause:\n\n  \
         User ann (ann@b.example) not listed in Domino Directory\n",
        &["ann@b.example"],
    ),
    (
        "Mailer-Daemon@x.example",
        "Message status - undeliverable",
        "The message that you sent was undeliverable to the following:\n\tann@b.example (no such \
         recipient)\n\nPossibly truncated original message follows:\n\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    // Providers
    (
        "MAILER-DAEMON@yahoo.example",
        "Failure Notice",
        "Sorry, we were unable to deliver your message to the following address.\n\n\
         <ann@b.example>:\n554: delivery error: dd This user doesn't have a b.example account\n\n--- \
         Below this line is a copy of the message.\n\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        "Delivery Status Notification (Failure)",
        "Delivery to the following recipient failed permanently:\n\n     ann@b.example\n\nTechnical \
         details of permanent failure:\nThe server said: 550 550 5.1.1 no such user\n\n----- \
         Original message -----\n\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        "Delivery Status Notification (Delay)",
        "** Delivery incomplete **\n\nThere was a temporary problem delivering your message to \
         ann@b.example. Gmail will retry for 46 more hours. You'll be notified if the delivery fails \
         permanently.\n",
        &["-ann@b.example"],
    ),
    (
        "Mail Delivery Subsystem <MAILER-DAEMON@aol.example>",
        "Mail Delivery Problem",
        "Your mail to the following recipients could not be delivered because they are not \
         accepting mail from news@s.example:\n\tanninthegarden\n\tbob_k\n",
        &["anninthegarden@aol.example", "bob_k@aol.example"],
    ),
    (
        "Postmaster@163.example",
        "系统退信",
        "抱歉，您的邮件被退回来了……\n\n原邮件信息：\n时  间：2024-01-01 10:00:00\n主  题：通知\n收件人：\
         ann@b.example\n\n退信原因：\n收件人邮箱地址不存在。\n550 User not found: ann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "PostMaster@qq.example",
        "来自 qq.example 的退信",
        "抱歉，您发送的邮件被退回，以下是该邮件的相关信息：\n\n被退回邮件\n主 题：通知\n时 间：2024-01-01\n\
         无法发送到 ann@b.example\n退信原因 收件人（ann@b.example）不存在。\n",
        &["ann@b.example"],
    ),
    (
        "MAILER-DAEMON@sina.example",
        "退信通知 failure notice",
        "您的邮件未能送达以下收件人：\n\n<ann@b.example>\n\n原因：对方邮箱已满。\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@aliyun.example",
        "退信提醒: 通知",
        "尊敬的用户：\n您给 ann@b.example 发送的邮件无法送达。\n错误信息：550 mailbox unavailable\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery System <mailer-daemon@mimecast.example>",
        "[Postmaster] Email Delivery Failure",
        "This is a delivery failure notification message indicating that\nan email you addressed to \
         email address :\n-- ann@b.example\n\ncould not be delivered. The problem appears to be :\n-- \
         Recipient server unavailable or busy\n\nAdditional information follows :\n-- 4.4.4 Temporary \
         server error.\n\nThis condition occurred after 30 attempt(s) to deliver.\n",
        &["ann@b.example"],
    ),
    (
        "MailMarshal <postmaster@x.example>",
        "Undeliverable Mail: News",
        "Your message:\n   From:    news@s.example\n   Subject: News\n\nCould not be delivered \
         because of\n\n550 5.1.1 user unknown\n\nThe following recipients were affected:\n    \
         ann@b.example\n\nAdditional Information\n======================\nOriginal Sender:    \
         <news@s.example>\n",
        &["ann@b.example"],
    ),
    (
        "MDaemon@x.example",
        "Permanent Delivery Failure",
        "The attached message had PERMANENT fatal delivery errors!\n\nYOUR MESSAGE WAS NOT \
         DELIVERED!\n\nThe following addresses did NOT receive a copy of your message:\n\n> \
         ann@b.example\n\n--- Session Transcript ---\n RCPT To:<ann@b.example>\n 550 no\n",
        &["ann@b.example"],
    ),
    (
        "\"Courier mail server at x.example\" <@x.example>",
        "NOTICE: mail delivery status.",
        "This is a delivery status notification from x.example,\nrunning the Courier mail server.\n\n\
         The original message was received on Mon, 1 Jan 2024\n\n                         UNDELIVERABLE \
         MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<ann@b.example>:\n    \
         mx.b.example [192.0.2.1]:\n    <<< 550 no such user\n",
        &["ann@b.example"],
    ),
    (
        "\"Mail Delivery Service\" <Mailer-Daemon@messagelabs.example>",
        "Mail Delivery Failure",
        "This is the mail delivery agent at messagelabs.example.\nI was unable to deliver your \
         message to the following addresses:\n\nann@b.example\n\nReason: 550 no mailbox\n\nThe message \
         subject was: News\n",
        &["ann@b.example"],
    ),
    (
        "Mail Delivery System <mailer-daemon@kunde.example>",
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you \
         sent could not be delivered to one or more of\nits recipients. This is a permanent error.\n\n\
         The following address failed:\n\n    \"ann@b.example\":\n    SMTP error from remote server \
         for RCPT TO command, host: mx.b.example reason: 550 no\n\n--- The header of the original \
         message is following. ---\n\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    (
        "Mail Deliver System <Mailer-Daemon@ezweb.example>",
        "Mail System Error - Returned Mail",
        "The user(s) account is disabled.\n\n<ann@b.example>\n\n---------------\nReceived: from x\n",
        &["ann@b.example"],
    ),
    (
        "mail-daemon@zoho.example",
        "Undelivered Mail Returned to Sender",
        "This message was created automatically by mail delivery software.\nA message that you sent \
         could not be delivered to one or more of its recipients. This is a permanent \
         error.\n\nann@b.example Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.=\n",
        &["ann@b.example"],
    ),
    (
        "Symantec_Messaging_Gateway@x.example",
        "Delivery failure notification",
        "Your message with Subject: News\ncould not be delivered to the following recipients:\n\n\
         ann@b.example\n\nPlease do not resend your original message.\n\nDelivery attempts will \
         continue to be made for 5 day(s).\n",
        &["-ann@b.example"],
    ),
    (
        "Scanner <mailer@x.example>",
        "Returned Mail - Error During Delivery",
        "------ Failed Recipients ------\n\n<ann@b.example>: mailbox unavailable. [SMTP Error Code \
         550]\n-------- Returned Mail --------\n\nTo: eve@c.example\n",
        &["ann@b.example"],
    ),
    // Languages
    (
        "postmaster@x.example",
        "Unzustellbar: Neuigkeiten",
        "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Verteilerlisten:\n\n\
         ann@b.example\nDie Nachricht konnte nicht zugestellt werden.\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Non remis : Nouvelles",
        "Échec de la remise pour les destinataires ou groupes suivants :\n\nann@b.example\nL'adresse \
         est introuvable.\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "No se puede entregar: Novedades",
        "No se pudo entregar el mensaje a estos destinatarios o grupos:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Não é possível entregar: Novidades",
        "Falha na entrega a estes destinatários ou grupos:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Non recapitabile: Novità",
        "Impossibile recapitare il messaggio ai seguenti destinatari o gruppi:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Onbestelbaar: Nieuws",
        "Uw bericht kan niet worden afgeleverd bij de volgende geadresseerden:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "Nie można dostarczyć: Nowości",
        "Wiadomość nie mogła zostać dostarczona do następujących adresatów:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "mailer-daemon@x.example",
        "Недоставленное сообщение",
        "Ваше сообщение не может быть доставлено одному или нескольким получателям:\n\n\
         ann@b.example: такого пользователя нет\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "配信不能: お知らせ",
        "次の受信者またはグループへの配信に失敗しました:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "no-reply@x.example",
        "メールエラー通知",
        "宛先のメールボックスがいっぱいのため、送信できませんでした。\n\nCould not be delivered to: \
         <ann@b.example>\nAs their mailbox is full.\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "[메일전송 실패] 알림",
        "메일이 전송되지 못했습니다.\n\n받는사람 : ann@b.example\n실패 사유 : 사용자가 없습니다.\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "未传递: 通知",
        "无法将邮件传递给以下收件人或组:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
    (
        "postmaster@x.example",
        "無法傳遞: 通知",
        "傳遞至下列收件者或群組時失敗:\n\nann@b.example\n",
        &["ann@b.example"],
    ),
];

/// From, subject and words of what is no bounce.
const OTHERS: &[(&str, &str, &str)] = &[
    (
        "ann@b.example",
        "Re: Undeliverable: News",
        "Did you get this too? It could not be delivered to bob@b.example.",
    ),
    (
        "ann@b.example",
        "Fwd: Undelivered Mail Returned to Sender",
        "See below, what shall I do?\n\n> I wasn't able to deliver your message to\n> <eve@c.example>",
    ),
    (
        "ann@b.example",
        "Delivery failed",
        "The driver says that parcel 17 could not be delivered. When will he come again?",
    ),
    (
        "Ann Lee <ann@b.example>",
        "Delivery failed",
        "The driver says that parcel 17 could not be delivered. When will he come again?\n\nAnn Lee\n\
         ann@b.example\nann.lee@work.example",
    ),
    (
        "ann@b.example",
        "Undeliverable",
        "Hello,\n\nmy mail to\nnews-bounces@s.example\ncould not be delivered. Can you help me?",
    ),
    (
        "ann@b.example",
        "Message not delivered",
        "Your message was not delivered to me as a whole, please send it again to ann@c.example.",
    ),
    (
        "ann@b.example",
        "Returned mail",
        "Our mail to accounts@s.example was returned to sender. Is this the right address?",
    ),
    (
        "ann@b.example",
        "Delivery failed",
        "The parcel could not be delivered. What now?\n\n-----Original Message-----\nFrom: Shop \
         <news@s.example>\nTo: Ann <ann@b.example>\nSubject: Delivery\n\nYour parcel is on the way.",
    ),
    (
        "ann@b.example",
        "Undeliverable address",
        "The address bob@c.example in your list is old, mails to it were not delivered.",
    ),
    ("ann@b.example", "退信", "你好，我发给 bob@s.example 的邮件被退回，请问新的地址是什么？"),
    ("noreply@post.example", "Delivery failed: parcel 17", "Your parcel could not be delivered."),
    ("ann@b.example", "退信", "你们寄来的东西我要退。"),
    (
        "ann@b.example",
        "Automatic reply: News",
        "My old mailbox could not be delivered to any more; write to ann@c.example.",
    ),
    (
        "Postmaster <postmaster@b.example>",
        "Re: your question",
        "We have looked into it. Regards, Bob",
    ),
];

/// Far more than a reader of bounded work needs, far less than one of unbounded.
const LONG: std::time::Duration = std::time::Duration::from_secs(2);

#[test]
fn a_notice_of_megabytes_is_read_in_little_time() {
    let begun = std::time::Instant::now();
    let named: String = (0..40_000).map(|at| format!("a{at}@b.example was rejected; ")).collect();
    let (kind, found) = read("MAILER-DAEMON@x.example", "Undelivered Mail", &named);
    assert_eq!(kind, Kind::Bounce);
    assert!(found.len() <= super::bounce::RECIPIENTS_MAX);
    assert!(begun.elapsed() < LONG);
}

fn read(from: &str, subject: &str, words: &str) -> (Kind, Vec<String>) {
    let message = format!(
        "From: {from}\r\nTo: <news-bounces@s.example>\r\nSubject: {subject}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{words}"
    );
    let read = classify(message.as_bytes(), &config::Replies::default(), plain());
    let found = read
        .recipients
        .into_iter()
        .map(|one| if one.permanent { one.address } else { format!("-{}", one.address) });
    (read.kind, found.collect())
}

#[test]
fn notices_of_many_servers_name_whom_they_could_not_reach() {
    let mut wrong = Vec::new();
    for (from, subject, words, expect) in NOTICES {
        let (kind, found) = read(from, subject, words);
        if kind != Kind::Bounce || found != *expect {
            wrong.push(format!("{from} {subject}: {kind:?} {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_speaks_of_deliveries_is_no_bounce() {
    for (from, subject, words) in OTHERS {
        assert_ne!(read(from, subject, words).0, Kind::Bounce, "{subject}");
    }
}
