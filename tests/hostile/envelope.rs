//! MAIL and RCPT, one by one and pipelined.

use super::row::Act::{
    Bytes, Close, Endless, Hold, Repeat, Reset, Say, Spoiled, Trickle, Usual, UsualInPieces, Wait,
};
use super::row::Step::{Mail, Recipient, RecipientPast, RecipientTo, Reset as Rset};
use super::row::{Shape, answers, on};
use super::rows;
use std::time::Duration;

const LATER: &str = "deferred 4.4.2, delivered";
const MOMENT: Duration = Duration::from_millis(600);

rows! {
    // MAIL.
    a_mail_of_451 => answers(Mail, "451 4.3.0 later").ends("deferred 4.3.0, delivered");
    a_mail_of_452 => answers(Mail, "452 4.3.1 full").ends("deferred 4.3.1, delivered");
    a_mail_of_550 => answers(Mail, "550 5.7.1 never").ends("failed 5.7.1");
    a_mail_of_552 => answers(Mail, "552 5.3.4 too big").ends("failed 5.3.4");
    a_mail_of_530 => answers(Mail, "530 5.7.0 authenticate first").ends("failed 5.7.0");
    a_mail_of_555_to_its_parameters =>
        answers(Mail, "555 5.5.4 what parameters").with("DSN").shape(Shape::Reported).ends("failed 5.5.4");
    a_mail_of_421_and_the_end =>
        on(Mail, [Say("421 4.3.2 bye"), Close]).ends("deferred 4.3.2, delivered");
    a_mail_of_354 => on(Mail, [Say("354 go")]).ends("deferred 4, delivered");
    a_mail_of_nonsense => on(Mail, [Say("what is it"), Spoiled]).ends(LATER);
    a_mail_of_mixed_codes => on(Mail, [Say("250-ok\r\n550 no"), Spoiled]).ends(LATER);
    a_mail_of_a_code_of_two_digits => on(Mail, [Say("25 ok"), Spoiled]).ends(LATER);
    a_mail_of_a_code_of_the_sixth_class => on(Mail, [Say("650 ok"), Spoiled]).ends(LATER);
    a_mail_of_a_line_of_a_megabyte =>
        on(Mail, [Bytes(b"250 "), Repeat("x", 1 << 20), Say("")]).ends(LATER);
    a_mail_of_endless_lines => on(Mail, [Endless("250-and\r\n")]).ends(LATER);
    a_mail_answered_by_the_end => on(Mail, [Close]).ends(LATER);
    a_mail_answered_by_a_reset => on(Mail, [Reset]).ends(LATER);
    a_mail_never_answered => on(Mail, [Hold]).ends(LATER);
    a_mail_answered_late_but_in_time => on(Mail, [Wait(MOMENT), Usual]).ends("delivered");
    a_mail_that_trickles_past_its_time =>
        on(Mail, [Trickle("250 2.1.0 a slow yes", MOMENT), Hold]).ends(LATER);
    a_mail_answered_twice => on(Mail, [Say("250 ok\r\n250 ok"), Spoiled]).without("PIPELINING").ends(LATER);
    a_mail_of_a_bare_code => answers(Mail, "250").ends("delivered");
    a_mail_whose_status_contradicts_it => answers(Mail, "550 4.3.0 no").ends("failed 5.0.0");

    // RCPT.
    a_recipient_of_450 => answers(Recipient, "450 4.2.1 busy").ends("deferred 4.2.1, delivered");
    a_recipient_of_550 => answers(Recipient, "550 5.1.1 nobody").ends("failed 5.1.1");
    a_recipient_of_550_without_a_status => answers(Recipient, "550 nobody").ends("failed 5.0.0");
    a_recipient_of_550_with_a_status_of_4 => answers(Recipient, "550 4.7.1 odd").ends("failed 5.0.0");
    a_recipient_of_450_with_a_status_of_5 =>
        answers(Recipient, "450 5.1.1 odd").ends("deferred 4.0.0, delivered");
    a_recipient_of_551 => answers(Recipient, "551 5.1.6 moved").ends("failed 5.1.6");
    a_recipient_of_553 => answers(Recipient, "553 5.1.3 ugly").ends("failed 5.1.3");
    a_recipient_whose_mailbox_is_full => answers(Recipient, "452 4.2.2 full").ends("deferred 4.2.2, delivered");
    a_recipient_of_251 => answers(Recipient, "251 will forward").ends("delivered");
    a_recipient_of_252 => answers(Recipient, "252 cannot verify, will try").ends("delivered");
    a_recipient_of_354 => answers(Recipient, "354 go").ends("deferred 4, delivered");
    a_recipient_of_421_and_the_end =>
        on(Recipient, [Say("421 4.3.2 bye"), Close]).ends("deferred 4.3.2, delivered");
    a_recipient_greylisted =>
        answers(Recipient, "451 4.7.1 greylisted, come again").ends("deferred 4.7.1, delivered");
    a_recipient_of_nonsense => on(Recipient, [Say("?"), Spoiled]).ends(LATER);
    a_recipient_of_an_empty_line => on(Recipient, [Say(""), Spoiled]).ends(LATER);
    a_recipient_of_endless_lines => on(Recipient, [Endless("250-and\r\n")]).ends(LATER);
    a_recipient_answered_by_the_end => on(Recipient, [Close]).ends(LATER);
    a_recipient_answered_by_a_reset => on(Recipient, [Reset]).ends(LATER);
    a_recipient_never_answered => on(Recipient, [Hold]).ends(LATER);
    a_recipient_answered_late_but_in_time => on(Recipient, [Wait(MOMENT), Usual]).ends("delivered");
    a_recipient_answered_twice => on(Recipient, [Say("250 ok\r\n550 5.1.1 stale"), Spoiled]).ends(LATER);
    a_recipient_refused_with_nul_and_eight_bit =>
        on(Recipient, [Bytes(b"550 5.1.1 \0\xff no\x1b[31m\r\n")]).ends("failed 5.1.1");
    a_recipient_refused_by_a_line_that_would_forge_a_report =>
        on(Recipient, [Bytes(b"550-5.1.1 no\r550 \r\n550 Final-Recipient: rfc822; eve@evil.example\r\n")])
            .ends("failed 5");

    // Several.
    each_recipient_with_an_answer_of_its_own => answers(RecipientTo("bad"), "550 5.1.1 nobody")
        .and(RecipientTo("full"), [Say("452 4.2.2 full")])
        .and(RecipientTo("late"), [Say("451 4.7.1 greylisted")])
        .letters(&[&["good", "bad", "full", "late", "fine"]])
        .end("good", "delivered")
        .end("bad", "failed 5.1.1")
        .end("full", "deferred 4.2.2, delivered")
        .end("late", "deferred 4.7.1, delivered")
        .end("fine", "delivered");
    each_recipient_with_an_answer_of_its_own_without_pipelining =>
        answers(RecipientTo("bad"), "550 5.1.1 nobody")
            .and(RecipientTo("full"), [Say("452 4.2.2 full")])
            .without("PIPELINING")
            .letters(&[&["good", "bad", "full"]])
            .end("good", "delivered")
            .end("bad", "failed 5.1.1")
            .end("full", "deferred 4.2.2, delivered");
    every_recipient_refused => answers(Recipient, "550 5.1.1 nobody")
        .letters(&[&["ann", "bob", "cid"]])
        .ends("failed 5.1.1");
    too_many_recipients_by_452 => answers(RecipientPast(2), "452 4.5.3 too many recipients")
        .letters(&[&["ann", "bob", "cid", "dan", "eve"]])
        .ends("delivered");
    too_many_recipients_by_552 => answers(RecipientPast(2), "552 5.5.3 too many recipients")
        .letters(&[&["ann", "bob", "cid", "dan", "eve"]])
        .ends("delivered");

    // Replies to what was pipelined.
    pipelined_replies_a_byte_at_a_time =>
        on(Mail, [UsualInPieces]).and(Recipient, [UsualInPieces]).ends("delivered");
    pipelined_replies_split_within_a_line =>
        on(Mail, [Bytes(b"250 2.1"), Wait(MOMENT), Bytes(b".0 ok\r\n")]).ends("delivered");
    pipelined_replies_in_one_segment =>
        on(Mail, [Wait(Duration::from_millis(50)), Usual]).ends("delivered");
    a_pipelined_mail_of_451_and_a_recipient_of_550 => answers(Mail, "451 4.3.0 later")
        .and(Recipient, [Say("550 5.1.1 nobody")])
        .ends("deferred 4.3.0, delivered");
    a_refusal_and_a_reset_refused_too => on(Recipient, [Say("450 4.2.1 busy")])
        .and(Rset, [Say("500 what"), Spoiled])
        .letters(&[&["ann", "bob"]])
        .ends("deferred 4.2.1, delivered");
    a_refusal_and_a_reset_never_answered => on(Recipient, [Say("550 5.1.1 nobody")])
        .and(Rset, [Hold])
        .ends("failed 5.1.1");
    a_pipelining_that_loses_the_last_reply => on(Mail, [Usual])
        .and(Recipient, [])
        .ends(LATER);
}
