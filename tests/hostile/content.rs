//! DATA, the message, and the reply to its final dot.

use super::row::Act::{
    Bytes, Close, Deaf, Endless, Hold, Keep, ReadSlowly, Repeat, Reset, Say, Spoiled, Trickle,
    Usual, UsualInPieces, Wait,
};
use super::row::Step::{Body, Chunk, Data, Dot};
use super::row::{Row, Shape, answers, in_chunks, on};
use super::rows;
use std::time::Duration;

const LATER: &str = "deferred 4.4.2, delivered";
const MOMENT: Duration = Duration::from_millis(600);
/// More than the kernel keeps for a server that does not read.
const MUCH: Shape = Shape::Large(6 << 20);
const SOME: Shape = Shape::Large(400 << 10);

rows! {
    // DATA.
    a_data_of_451 => answers(Data, "451 4.3.0 later").ends("deferred 4.3.0, delivered");
    a_data_of_554 => answers(Data, "554 5.6.0 no valid recipients").ends("failed 5.6.0");
    a_data_of_503 => answers(Data, "503 5.5.1 out of order").ends("failed 5.5.1");
    a_data_of_421_and_the_end => on(Data, [Say("421 4.3.2 bye"), Close]).ends("deferred 4.3.2, delivered");
    a_data_of_250 => on(Data, [Say("250 ok"), Spoiled]).ends("deferred 4.5.0, delivered");
    a_data_of_nonsense => on(Data, [Say("go ahead"), Spoiled]).ends(LATER);
    a_data_answered_by_the_end => on(Data, [Close]).ends(LATER);
    a_data_answered_by_a_reset => on(Data, [Reset]).ends(LATER);
    a_data_never_answered => on(Data, [Hold]).ends(LATER);
    a_data_answered_late_but_in_time => on(Data, [Wait(MOMENT), Usual]).ends("delivered");
    a_data_of_354_twice => on(Data, [Say("354 go\r\n354 go"), Spoiled]).ends("deferred 4, delivered");
    a_data_of_354_and_a_yes_at_once =>
        on(Data, [Say("354 go\r\n250 2.0.0 taken"), Spoiled]).ends(LATER);
    a_data_of_354_and_a_no_at_once =>
        on(Data, [Say("354 go\r\n552 5.3.4 too big"), Spoiled]).ends("failed 5.3.4");
    a_data_of_354_in_several_lines => answers(Data, "354-go\r\n354 ahead").ends("delivered");
    a_data_of_354_in_pieces_of_one_byte => on(Data, [UsualInPieces]).ends("delivered");
    a_data_of_a_bare_354 => answers(Data, "354").ends("delivered");

    // Within the message.
    the_end_within_the_message => on(Body(100), [Close]).shape(SOME).ends(LATER);
    a_reset_within_the_message => on(Body(100), [Reset]).shape(SOME).ends(LATER);
    a_421_within_the_message =>
        on(Body(1000), [Say("421 4.3.2 bye"), Close]).shape(SOME).ends("deferred 4, delivered");
    a_552_within_the_message_and_the_rest_read =>
        on(Body(1000), [Say("552 5.3.4 too big"), Spoiled]).shape(SOME).ends("failed 5.3.4");
    a_yes_within_the_message => on(Body(1000), [Say("250 2.0.0 taken"), Spoiled]).shape(SOME).ends(LATER);
    nonsense_within_the_message => on(Body(1000), [Say("?"), Spoiled]).shape(SOME).ends(LATER);
    a_server_that_reads_slowly => on(Body(0), [ReadSlowly]).shape(Shape::Large(1 << 20)).ends("delivered");
    a_window_that_never_opens => on(Body(0), [Deaf]).shape(MUCH).ends(LATER);
    a_window_that_never_opens_for_a_message_the_kernel_takes => on(Body(0), [Deaf]).shape(SOME).ends(LATER);

    // The reply to the dot.
    a_dot_of_451 => answers(Dot, "451 4.3.0 later").ends("deferred 4.3.0, delivered");
    a_dot_of_452 => answers(Dot, "452 4.3.1 full").ends("deferred 4.3.1, delivered");
    a_dot_of_550 => answers(Dot, "550 5.7.1 spam").ends("failed 5.7.1");
    a_dot_of_552 => answers(Dot, "552 5.3.4 too big").ends("failed 5.3.4");
    a_dot_of_554 => answers(Dot, "554 5.6.0 ugly").ends("failed 5.6.0");
    a_dot_of_550_with_a_status_of_4 => answers(Dot, "550 4.7.1 odd").ends("failed 5.0.0");
    a_dot_of_421_and_the_end => on(Dot, [Say("421 4.3.2 bye"), Close]).ends("deferred 4.3.2, delivered");
    a_dot_of_354 => on(Dot, [Say("354 go on"), Spoiled]).ends("deferred 4, delivered");
    a_dot_of_251 => answers(Dot, "251 2.1.5 taken").ends("delivered");
    a_dot_of_a_bare_250 => answers(Dot, "250").ends("delivered");
    a_dot_of_250_in_several_lines => answers(Dot, "250-2.0.0 taken\r\n250 2.0.0 as 1").ends("delivered");
    a_dot_of_250_in_pieces_of_one_byte => on(Dot, [UsualInPieces]).ends("delivered");
    a_dot_of_250_with_nul_and_eight_bit =>
        on(Dot, [Keep, Bytes(b"250 2.0.0 \0\xff\xfe\r\n")]).ends("delivered");
    a_dot_of_250_that_ends_in_a_bare_lf => on(Dot, [Keep, Bytes(b"250 2.0.0 ok\n")]).ends("delivered");
    a_dot_answered_late_but_in_time => on(Dot, [Wait(MOMENT), Usual]).ends("delivered");
    a_dot_answered_twice => on(Dot, [Say("250 2.0.0 ok\r\n550 5.1.1 stale"), Spoiled])
        .letters(&[&["ann"], &["bob"]])
        .ends("delivered");

    // The message was taken or not, and nobody knows.
    a_yes_lost_by_the_end => on(Dot, [Keep, Close]).in_doubt(2);
    a_yes_lost_by_a_reset => on(Dot, [Keep, Reset]).in_doubt(2);
    a_yes_lost_in_silence => on(Dot, [Keep, Hold]).in_doubt(2);
    a_no_lost_by_the_end => on(Dot, [Close]).in_doubt(1);
    a_no_lost_by_a_reset => on(Dot, [Reset]).in_doubt(1);
    a_yes_past_its_time => on(Dot, [Keep, Wait(Duration::from_secs(60)), Say("250 taken")]).in_doubt(2);
    a_yes_that_trickles_past_its_time =>
        on(Dot, [Keep, Trickle("250 2.0.0 a slow yes", MOMENT), Hold]).in_doubt(2);
    a_yes_cut_within_its_code => on(Dot, [Keep, Bytes(b"25"), Close]).in_doubt(2);
    a_yes_cut_before_its_crlf => on(Dot, [Keep, Bytes(b"250 2.0.0 taken"), Close]).in_doubt(2);
    a_yes_of_nonsense => on(Dot, [Keep, Bytes(b"\0\x01?\r\n"), Spoiled]).in_doubt(2);
    a_yes_without_a_space => on(Dot, [Keep, Say("250taken"), Spoiled]).in_doubt(2);
    a_yes_of_mixed_codes => on(Dot, [Keep, Say("250-taken\r\n550 no"), Spoiled]).in_doubt(2);
    a_yes_of_endless_lines => on(Dot, [Keep, Endless("250-and\r\n")]).in_doubt(2);
    a_yes_of_a_line_of_a_megabyte =>
        on(Dot, [Keep, Bytes(b"250 "), Repeat("x", 1 << 20), Say("")]).in_doubt(2);

    // Chunks, where they are offered.
    chunks_offered_and_taken => chunked(Row::honest()).check(in_chunks).ends("delivered");
    chunks_offered_and_taken_of_a_large_message =>
        chunked(Row::honest()).shape(Shape::Large(3 << 20)).check(in_chunks).ends("delivered");
    chunks_read_slowly => chunked(on(Chunk, [Usual, ReadSlowly])).shape(Shape::Large(2 << 20)).ends("delivered");
    chunks_offered_and_not_known => chunked(answers(Chunk, "500 5.5.1 what")).ends("delivered");
    a_chunk_of_451 => chunked(answers(Chunk, "451 4.3.0 later")).ends("deferred 4.3.0, delivered");
    a_chunk_of_554 => chunked(answers(Chunk, "554 5.6.0 ugly")).ends("failed 5.6.0");
    a_chunk_of_552 => chunked(answers(Chunk, "552 5.3.4 too big")).shape(SOME).ends("failed 5.3.4");
    a_chunk_of_421_and_the_end =>
        chunked(on(Chunk, [Say("421 4.3.2 bye"), Close])).ends("deferred 4.3.2, delivered");
    a_chunk_of_354 => chunked(on(Chunk, [Say("354 go"), Spoiled])).ends("deferred 4, delivered");
    // The last chunk is on its way before the reply to the one before it: it may be in doubt.
    a_chunk_refused_and_the_whole_taken =>
        chunked(answers(Chunk, "451 4.3.0 later").and(Dot, [Usual])).survives();
    a_chunk_of_nonsense => chunked(on(Chunk, [Say("?"), Spoiled])).survives();
    a_chunk_answered_by_the_end => chunked(on(Chunk, [Close])).survives();
    a_chunk_answered_by_a_reset => chunked(on(Chunk, [Reset])).survives();
    a_chunk_never_answered => chunked(on(Chunk, [Hold])).survives();
    a_chunk_answered_twice => chunked(on(Chunk, [Say("250 ok\r\n250 ok"), Spoiled])).survives();
    a_chunk_answered_late_but_in_time => chunked(on(Chunk, [Wait(MOMENT), Usual])).ends("delivered");
    a_last_chunk_of_451 => chunked(answers(Dot, "451 4.3.0 later")).ends("deferred 4.3.0, delivered");
    a_last_chunk_of_554 => chunked(answers(Dot, "554 5.6.0 ugly")).ends("failed 5.6.0");
    a_yes_to_the_last_chunk_lost_by_the_end => chunked(on(Dot, [Keep, Close])).in_doubt(2);
    a_yes_to_the_last_chunk_lost_in_silence => chunked(on(Dot, [Keep, Hold])).in_doubt(2);
    a_no_to_the_last_chunk_lost_by_a_reset => chunked(on(Dot, [Reset])).in_doubt(1);
}

fn chunked(row: Row) -> Row {
    row.with("CHUNKING")
}
