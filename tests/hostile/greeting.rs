//! Before the first message: the connection, the greeting, EHLO and HELO.

use super::row::Act::{
    Bytes, Close, Endless, Hold, Repeat, Reset, Say, Spoiled, Trickle, Usual, UsualInPieces, Wait,
};
use super::row::Step::{Greeting, Hello, Helo};
use super::row::{Hosts, Row, Shape, answers, on};
use super::rows;
use std::time::Duration;

const LATER: &str = "deferred 4.4.1, delivered";
const MOMENT: Duration = Duration::from_millis(600);

rows! {
    // The greeting.
    a_server_that_behaves_gets_its_mail => Row::honest().ends("delivered 2");
    a_connection_closed_before_the_greeting => on(Greeting, [Close]).ends(LATER);
    a_connection_reset_before_the_greeting => on(Greeting, [Reset]).ends(LATER);
    no_port_is_open => Row::honest().at(Hosts::Closed).ends("deferred 4.4.1");
    a_greeting_never_comes => on(Greeting, [Hold]).says("the greeting").ends(LATER);
    a_greeting_comes_late_but_in_time => on(Greeting, [Wait(MOMENT), Usual]).ends("delivered");
    a_greeting_of_554 => answers(Greeting, "554 5.7.1 not from you").says("554").ends(LATER);
    a_greeting_of_421 => answers(Greeting, "421 4.3.2 busy").ends("deferred 4.3.2, delivered");
    a_greeting_of_421_and_the_end =>
        on(Greeting, [Say("421 4.3.2 busy"), Close]).ends("deferred 4.3.2, delivered");
    a_greeting_of_250 => answers(Greeting, "250 hello").ends(LATER);
    a_greeting_of_another_protocol => answers(Greeting, "SSH-2.0-OpenSSH_9.2").ends(LATER);
    a_greeting_of_a_web_server => answers(Greeting, "HTTP/1.1 400 Bad Request").ends(LATER);
    a_greeting_of_an_empty_line => answers(Greeting, "").ends(LATER);
    a_greeting_in_pieces_of_one_byte => on(Greeting, [UsualInPieces]).ends("delivered");
    a_greeting_of_several_lines => answers(Greeting, "220-mx\r\n220-says\r\n220 hello").ends("delivered");
    a_greeting_with_nul_and_eight_bit => on(Greeting, [Bytes(b"220 \0\xff\xfe hi\r\n")]).ends("delivered");
    a_greeting_that_ends_in_a_bare_lf => on(Greeting, [Bytes(b"220 hi\n")]).ends("delivered");
    a_greeting_whose_line_never_ends => on(Greeting, [Bytes(b"220 hello"), Hold]).ends(LATER);
    a_greeting_of_endless_lines => on(Greeting, [Endless("220-and\r\n")]).ends(LATER);
    a_greeting_of_mixed_codes => answers(Greeting, "220-mx\r\n554 no").ends(LATER);
    a_greeting_that_trickles_past_its_time =>
        on(Greeting, [Trickle("220 a slow hello from a tarpit", MOMENT), Hold]).ends(LATER);
    two_greetings => on(Greeting, [Say("220 one\r\n220 two"), Spoiled]).ends(LATER);
    a_whole_session_said_at_once => on(
        Greeting,
        [Say("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n221 bye"), Spoiled],
    )
    .ends(LATER);

    // EHLO and HELO.
    an_ehlo_of_500_and_a_helo => answers(Hello, "500 what").ends("delivered");
    an_ehlo_of_502_and_a_helo => answers(Hello, "502 5.5.1 what").ends("delivered");
    an_ehlo_and_a_helo_refused =>
        answers(Hello, "550 no").and(Helo, [Say("550 5.7.1 no")]).says("550").ends(LATER);
    an_ehlo_refused_and_the_end => on(Hello, [Say("550 no"), Close]).ends(LATER);
    a_helo_never_answered => answers(Hello, "500 what").and(Helo, [Hold]).ends(LATER);
    an_ehlo_of_451 => answers(Hello, "451 4.7.0 later").ends("deferred 4.7.0, delivered");
    an_ehlo_of_421 => on(Hello, [Say("421 4.3.2 bye"), Close]).ends("deferred 4.3.2, delivered");
    an_ehlo_of_354 => on(Hello, [Say("354 go"), Spoiled]).ends(LATER);
    an_ehlo_answered_by_the_end => on(Hello, [Close]).ends(LATER);
    an_ehlo_answered_by_a_reset => on(Hello, [Reset]).ends(LATER);
    an_ehlo_never_answered => on(Hello, [Hold]).ends(LATER);
    an_ehlo_of_a_thousand_lines =>
        on(Hello, [Repeat("250-AN-EXTENSION\r\n", 1000), Say("250 LAST")]).ends(LATER);
    an_ehlo_of_endless_lines => on(Hello, [Endless("250-AN-EXTENSION\r\n")]).ends(LATER);
    an_ehlo_of_a_line_of_a_megabyte =>
        on(Hello, [Bytes(b"250 "), Repeat("x", 1 << 20), Say("")]).ends(LATER);
    an_ehlo_of_eighty_lines =>
        on(Hello, [Repeat("250-AN-EXTENSION\r\n", 80), Say("250 LAST")]).ends("delivered");
    an_ehlo_of_the_bare_code => answers(Hello, "250").ends("delivered");
    an_ehlo_without_a_space_after_the_code => answers(Hello, "250mx").ends(LATER);
    an_ehlo_of_mixed_codes => answers(Hello, "250-mx\r\n550 no").ends(LATER);
    an_ehlo_cut_in_the_middle_of_a_line =>
        on(Hello, [Bytes(b"250-mx\r\n250-PIPE"), Wait(MOMENT), Bytes(b"LINING\r\n250 8BITMIME\r\n")])
            .ends("delivered");
    an_ehlo_with_nul_and_eight_bit =>
        on(Hello, [Bytes(b"250-mx\0\r\n250-\xff\xfe\r\n250 8BITMIME\r\n")]).ends("delivered");
    an_ehlo_of_nonsense => answers(Hello, "hello yourself").ends(LATER);
    an_ehlo_of_extensions_with_strange_parameters => answers(
        Hello,
        "250-mx\r\n250-SIZE -1\r\n250-SIZE 99999999999999999999999\r\n250-PIPELINING=yes\r\n250 8BITMIME 7",
    )
    .ends("delivered");

    // What EHLO offers, or does not.
    a_size_that_is_too_small => Row::honest().without("SIZE").with("SIZE 100").ends("failed 5.3.4");
    a_size_of_nought_is_no_limit => Row::honest().without("SIZE").with("SIZE 0").ends("delivered");
    a_size_that_is_no_number => Row::honest().without("SIZE").with("SIZE many").ends("delivered");
    no_extensions_at_all => Row::honest().offers(&[]).ends("delivered");
    no_8bitmime_for_eight_bits =>
        Row::honest().without("8BITMIME").shape(Shape::EightBit).ends("delivered");
    no_smtputf8_for_an_address_that_needs_it => Row::honest()
        .without("SMTPUTF8")
        .letters(&[&["jürgen"]])
        .shape(Shape::Utf8)
        .ends("failed 5.6.7");
    smtputf8_for_an_address_that_needs_it => Row::honest()
        .letters(&[&["jürgen"]])
        .shape(Shape::Utf8)
        .check(|seen| {
            let said = seen.taken.iter().all(|taken| taken.mail.contains("SMTPUTF8"));
            said.then_some(()).ok_or_else(|| "MAIL without SMTPUTF8".into())
        })
        .ends("delivered");
    no_pipelining_for_several_recipients =>
        Row::honest().without("PIPELINING").letters(&[&["ann", "bob", "cid"]]).ends("delivered");
    dsn_is_offered => Row::honest()
        .with("DSN")
        .shape(Shape::Reported)
        .check(|seen| {
            let said = seen.taken.iter().all(|taken| taken.mail.contains("ENVID=row"));
            said.then_some(()).ok_or_else(|| "MAIL without ENVID".into())
        })
        .ends("delivered");
}
