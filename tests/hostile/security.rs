//! STARTTLS that lies, and certificates that nobody would take who had a choice: without a policy the
//! mail goes, encrypted where that comes about and in the clear where it does not.

use super::row::Act::{Bytes, Close, Hold, Repeat, Reset, Say, Usual};
use super::row::Certificate::{Expired, OtherName, SelfSigned};
use super::row::Step::{Helo, Mail, SecureHello, StartTls};
use super::row::{Row, answers, in_the_clear, on, over_tls};
use super::rows;

/// What a server that knows no version of TLS of ours answers: alert, protocol_version.
const OLD: &[u8] = &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46];

fn lies(row: Row) -> Row {
    row.tls(SelfSigned).check(in_the_clear).ends("delivered")
}

rows! {
    a_certificate_that_signs_itself => Row::honest().tls(SelfSigned).check(over_tls).ends("delivered");
    a_certificate_that_has_expired => Row::honest().tls(Expired).check(over_tls).ends("delivered");
    a_certificate_of_another_name => Row::honest().tls(OtherName).check(over_tls).ends("delivered");
    starttls_offered_and_454 => lies(answers(StartTls, "454 4.7.0 not today"));
    starttls_offered_and_500 => lies(answers(StartTls, "500 5.5.1 what"));
    starttls_offered_and_554 => lies(answers(StartTls, "554 5.7.1 no"));
    starttls_offered_and_the_end => lies(on(StartTls, [Close]));
    starttls_offered_and_a_reset => lies(on(StartTls, [Reset]));
    starttls_offered_and_never_answered => lies(on(StartTls, [Hold]));
    starttls_offered_and_nonsense => lies(answers(StartTls, "go on"));
    garbage_in_the_place_of_a_handshake => lies(on(StartTls, [Say("220 go\r\nthis is not TLS"), Close]));
    random_bytes_in_the_place_of_a_handshake =>
        lies(on(StartTls, [Say("220 go"), Repeat("\u{16}\u{3}\u{1}", 4000), Close]));
    a_reply_injected_before_the_handshake => lies(answers(StartTls, "220 go\r\n250 injected"));
    a_handshake_that_hangs => lies(on(StartTls, [Say("220 go"), Hold]));
    a_handshake_cut_off => lies(on(StartTls, [Say("220 go"), Close]));
    a_server_of_tls_1_0_alone => lies(on(StartTls, [Say("220 go"), Bytes(OLD), Close]));
    the_end_after_the_handshake => lies(on(SecureHello, [Close]));
    an_ehlo_refused_after_the_handshake_and_a_helo_taken =>
        answers(SecureHello, "550 5.7.1 no").tls(SelfSigned).check(over_tls).ends("delivered");
    an_ehlo_and_a_helo_refused_after_the_handshake =>
        lies(answers(SecureHello, "550 5.7.1 no").and(Helo, [Say("550 5.7.1 no")]));
    an_ehlo_over_tls_never_answered => lies(on(SecureHello, [Hold]));
    starttls_offered_again_over_tls =>
        on(SecureHello, [Say("250-mx\r\n250-STARTTLS\r\n250 PIPELINING")])
            .tls(SelfSigned)
            .check(over_tls)
            .ends("delivered");
    a_refusal_over_tls_is_no_reason_to_go_without => answers(Mail, "451 4.7.0 later")
        .tls(SelfSigned)
        .check(over_tls)
        .ends("deferred 4.7.0, delivered");
    the_end_of_a_transaction_over_tls => on(Mail, [Close])
        .tls(SelfSigned)
        .check(over_tls)
        .ends("deferred 4.4.2, delivered");
    a_session_over_tls => on(Mail, [Usual]).tls(SelfSigned).check(over_tls).ends("delivered");
}
