//! Connections used again, servers that leave between messages, and a second server behind the first.

use super::row::Act::{Close, Hold, Repeat, Reset, Say, Spoiled, Usual};
use super::row::Step::{
    Dot, Greeting, Hello, Idle, Mail, MailAgain, Quit, Recipient, Reset as Rset,
};
use super::row::{Hosts, Row, answers, by_the_second, on, one_connection};
use super::rows;

const LETTERS: &[&[&str]] = &[&["ann"], &["bob"]];

rows! {
    // The end of a session.
    a_quit_never_answered => on(Quit, [Hold]).ends("delivered");
    a_quit_refused => answers(Quit, "500 what").ends("delivered");
    a_quit_answered_by_a_reset => on(Quit, [Reset]).ends("delivered");
    a_quit_answered_by_endless_bytes => on(Quit, [Repeat("221-", 1 << 20), Hold]).ends("delivered");

    // One connection, several messages.
    a_connection_is_used_again => Row::honest().letters(LETTERS).check(one_connection).ends("delivered");
    a_connection_is_used_again_after_a_refusal => answers(Dot, "550 5.7.1 spam")
        .letters(LETTERS)
        .check(one_connection)
        .ends("failed 5.7.1");
    the_end_after_each_message => on(Dot, [Usual, Close]).letters(LETTERS).ends("delivered");
    a_reset_after_each_message => on(Dot, [Usual, Reset]).letters(LETTERS).ends("delivered");
    a_421_after_each_message => on(Dot, [Usual, Say("421 4.4.2 enough"), Close])
        .letters(LETTERS)
        .ends("delivered");
    a_421_while_nothing_is_asked => on(Idle, [Say("421 4.4.2 idle"), Spoiled]).letters(LETTERS).ends("delivered");
    nonsense_while_nothing_is_asked => on(Idle, [Say("are you there"), Spoiled]).letters(LETTERS).ends("delivered");
    a_flood_while_nothing_is_asked =>
        on(Idle, [Repeat("250 ok\r\n", 10_000), Spoiled]).letters(LETTERS).ends("delivered");
    a_stale_yes_while_nothing_is_asked => on(Idle, [Say("250 2.0.0 taken"), Spoiled])
        .and(MailAgain, [Say("550 5.7.1 was never asked")])
        .letters(LETTERS)
        .ends("delivered");
    a_reset_refused_between_messages => answers(Rset, "502 what").letters(LETTERS).ends("delivered");
    a_reset_never_answered_between_messages => on(Rset, [Hold]).letters(LETTERS).ends("delivered");
    a_reset_answered_by_the_end_between_messages => on(Rset, [Close]).letters(LETTERS).ends("delivered");
    a_421_to_the_second_message => on(MailAgain, [Say("421 4.7.0 enough"), Close])
        .letters(LETTERS)
        .ends("delivered");
    a_451_to_the_second_message => answers(MailAgain, "451 4.7.0 one at a time")
        .letters(LETTERS)
        .end("ann", "delivered")
        .end("bob", "deferred 4.7.0, delivered");

    // A second server.
    the_first_server_has_no_port_open => Row::honest().at(Hosts::ClosedThenOne).check(by_the_second).ends("delivered");
    the_first_server_greets_by_421 => answers(Greeting, "421 4.3.2 busy").at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_greets_by_554 => answers(Greeting, "554 5.7.1 no").at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_hangs_up => on(Greeting, [Reset]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_never_greets => on(Greeting, [Hold]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_refuses_ehlo =>
        answers(Hello, "451 4.7.0 later").at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_leaves_at_mail => on(Mail, [Close]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_says_421_to_mail =>
        on(Mail, [Say("421 4.3.2 bye"), Close]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_leaves_at_the_recipient => on(Recipient, [Close]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_takes_less => on(Hello, [Say("250-mx\r\n250 SIZE 100")]).at(Hosts::Two).check(by_the_second).ends("delivered");
    the_first_server_refuses_the_recipient_for_good =>
        answers(Recipient, "550 5.1.1 nobody").at(Hosts::Two).ends("failed 5.1.1");
    neither_server_is_there => on(Greeting, [Close])
        .second(Greeting, [Close])
        .at(Hosts::Two)
        .ends("deferred 4.4.1, delivered");
    a_yes_lost_at_the_first_server_is_not_tried_at_the_second_at_once =>
        on(Dot, [super::row::Act::Keep, Close]).at(Hosts::Two).in_doubt(2);
}
