//! The link between an in-memory server and its two clients: whose an answer is, wherever it is cut.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    task::coop::unconstrained,
};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::*;

/// One end of a pipe in memory.
struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl TlsStream for Pipe {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

pub(super) fn linked(room: usize) -> (Arc<Link>, NativeStream, DuplexStream) {
    let (client, server) = duplex(room);
    let link = Link::new(Box::new(Pipe(client)));
    link.log_in();
    let native_stream = link.native_stream();
    (link, native_stream, server)
}

pub(super) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// The answer to the query of a number: a row that has it, a tag, and the status.
pub(super) fn answer(number: u8, status: u8) -> Vec<u8> {
    [message(b'D', &[number]), message(b'C', b"SELECT 1\0"), message(b'Z', &[status])].concat()
}

pub(super) fn ask(link: &Arc<Link>, number: u8) -> PendingAnswer {
    link.send(|out, _| out.extend_from_slice(&message(b'Q', &[number])))
}

pub(super) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    future.now_or_never()
}

#[test]
fn a_request_that_has_failed_is_seen_to_be_nearly_through() {
    let (link, _facade, mut server) = linked(4096);
    let mut pending_answer = ask(&link, 1);
    let mut parts = [message(b'E', b"\0"), message(b'Z', b"I")].into_iter();
    assert!(!taken(&mut pending_answer, &mut Vec::new()) && !link.status().has_failed);
    now(server.write_all(&parts.next().unwrap())).unwrap().unwrap();
    assert!(!taken(&mut pending_answer, &mut Vec::new()));
    assert!(link.status().is_busy && link.status().has_failed);
    now(server.write_all(&parts.next().unwrap())).unwrap().unwrap();
    assert!(taken(&mut pending_answer, &mut Vec::new()));
    assert!(!link.status().is_busy && !link.status().has_failed);
}

/// What has come for a ticket; false if there is more to come.
fn taken(pending_answer: &mut PendingAnswer, into: &mut Vec<u8>) -> bool {
    while let Some(piece) = now(poll_fn(|cx| pending_answer.poll(cx))) {
        into.extend_from_slice(&piece.expect("the link lives"));
        if into.ends_with(&message(b'Z', b"I")) || into.ends_with(&message(b'Z', b"T")) {
            return true;
        }
    }
    false
}

/// What has come for tokio-postgres.
fn read(native_stream: &mut NativeStream, into: &mut Vec<u8>) {
    let mut bytes = [0; 64];
    while let Some(count) = now(native_stream.read(&mut bytes)) {
        let count = count.expect("the link lives");
        if count == 0 {
            break;
        }
        into.extend_from_slice(&bytes[..count]);
    }
}

pub(super) fn say(server: &mut DuplexStream, bytes: &[u8]) {
    now(unconstrained(server.write_all(bytes))).expect("there is room").expect("the link lives");
}

#[test]
fn answers_find_their_owners_wherever_they_are_cut() {
    let notice = message(b'N', b"a notice");
    let whole = [answer(1, b'I'), notice.clone(), answer(2, b'T'), answer(3, b'T')].concat();
    for cut in 0..=whole.len() {
        for ours_first in [true, false] {
            let (link, mut native_stream, mut server) = linked(4096);
            let mut first = ask(&link, 1);
            now(native_stream.write_all(&message(b'Q', &[2]))).unwrap().unwrap();
            let mut third = ask(&link, 3);
            let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
            for part in [&whole[..cut], &whole[cut..]] {
                say(&mut server, part);
                if ours_first && one != answer(1, b'I') {
                    taken(&mut first, &mut one);
                }
                read(&mut native_stream, &mut two);
            }
            assert!(one == answer(1, b'I') || taken(&mut first, &mut one), "cut at {cut}");
            assert!(taken(&mut third, &mut three));
            assert_eq!((one, three), (answer(1, b'I'), answer(3, b'T')), "cut at {cut}");
            assert_eq!(two, [notice.clone(), answer(2, b'T')].concat(), "cut at {cut}");
            let status = link.status();
            assert_eq!(
                (status.is_busy, status.ready, status.sent, status.answered),
                (false, ReadyStatus::Transaction, 3, 3)
            );
        }
    }
}

#[test]
fn what_the_task_of_tokio_postgres_sends_in_pieces_stays_in_one_piece() {
    let (link, mut native_stream, mut server) = linked(4096);
    let query = message(b'Q', b"select\0");
    now(native_stream.write_all(&query[..3])).unwrap().unwrap();
    let _ticket = ask(&link, 7);
    now(native_stream.write_all(&query[3..])).unwrap().unwrap();
    now(native_stream.flush()).unwrap().unwrap();
    let mut sent = vec![0; query.len() + 6];
    now(server.read_exact(&mut sent)).expect("it was sent").unwrap();
    assert_eq!(sent, [message(b'Q', &[7]), query].concat());
}

/// A COPY from the client: the server passes over the first Sync.
#[test]
fn the_sync_of_a_copy_is_not_waited_for() {
    let begin = [message(b'B', b""), message(b'E', b""), message(b'S', b"")].concat();
    let end = [message(b'c', b""), message(b'S', b"")].concat();
    let fail = [message(b'f', b""), message(b'S', b"")].concat();
    let refused = [message(b'E', b"VERROR\0\0"), message(b'Z', b"I")].concat();
    let done = [message(b'C', b"COPY 1\0"), message(b'Z', b"I")].concat();
    for (before_answer, what, rest) in [(false, &end, &done), (false, &fail, &refused), (true, &fail, &refused)] {
        let (link, mut native_stream, mut server) = linked(4096);
        let mut heard = Vec::new();
        now(native_stream.write_all(&begin)).unwrap().unwrap();
        if before_answer {
            now(native_stream.write_all(what)).unwrap().unwrap();
        }
        say(&mut server, &message(b'G', b""));
        read(&mut native_stream, &mut heard);
        assert!(link.status().is_busy, "the data is still to come");
        if !before_answer {
            now(native_stream.write_all(&message(b'd', b"1"))).unwrap().unwrap();
            now(native_stream.write_all(what)).unwrap().unwrap();
        }
        let mut ours = ask(&link, 9);
        say(&mut server, &[&rest[..], &answer(9, b'I')].concat());
        let mut heard_ours = Vec::new();
        assert!(taken(&mut ours, &mut heard_ours));
        assert_eq!(heard_ours, answer(9, b'I'));
        read(&mut native_stream, &mut heard);
        assert_eq!(heard, [&message(b'G', b"")[..], rest].concat());
    }
    // A COPY that is refused, or fails before it takes any data, is answered twice.
    for begun in [false, true] {
        let (link, mut native_stream, mut server) = linked(4096);
        now(native_stream.write_all(&begin)).unwrap().unwrap();
        let begun = if begun { message(b'G', b"") } else { Vec::new() };
        say(&mut server, &[&begun[..], &refused].concat());
        read(&mut native_stream, &mut Vec::new());
        now(native_stream.write_all(&fail)).unwrap().unwrap();
        let mut ours = ask(&link, 9);
        say(&mut server, &[message(b'Z', b"I"), answer(9, b'I')].concat());
        let mut heard = Vec::new();
        assert!(taken(&mut ours, &mut heard));
        assert_eq!(heard, answer(9, b'I'));
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_read_and_thrown_away() {
    let whole = answer(1, b'T');
    for cut in 0..=whole.len() {
        for revoked in [true, false] {
            let (link, mut native_stream, mut server) = linked(4096);
            let mut dropped = ask(&link, 1);
            let mut heard = Vec::new();
            say(&mut server, &whole[..cut]);
            taken(&mut dropped, &mut heard);
            if revoked && cut < whole.len() {
                link.revoke();
                assert_eq!(now(poll_fn(|cx| dropped.poll(cx))), Some(Err(AnswerError::Revoked)));
            }
            drop(dropped);
            assert_eq!(link.status().is_busy, cut < whole.len());
            let mut next = ask(&link, 2);
            say(&mut server, &[&whole[cut..], &answer(2, b'I')].concat());
            read(&mut native_stream, &mut Vec::new());
            let mut heard = Vec::new();
            assert!(taken(&mut next, &mut heard));
            assert_eq!(heard, answer(2, b'I'), "cut at {cut}");
        }
    }
}

#[test]
fn who_is_kept_and_not_polled_holds_up_nobody() {
    let (link, mut native_stream, mut server) = linked(1 << 20);
    let mut kept = ask(&link, 1);
    assert!(now(poll_fn(|cx| kept.poll(cx))).is_none());
    let mut next = ask(&link, 2);
    say(&mut server, &[answer(1, b'T'), answer(2, b'T')].concat());
    let mut heard = Vec::new();
    assert!(taken(&mut next, &mut heard));
    // More than it is given room for stays where it is, until it is taken or given up.
    drop((kept, next));
    let mut stuffed = ask(&link, 3);
    let behind = ask(&link, 4);
    let row = message(b'D', &vec![b'x'; 100_000]);
    say(&mut server, &[&row[..], &row, &row, &row, &row, &row, &answer(3, b'T'), &answer(4, b'T')].concat());
    drop(behind);
    read(&mut native_stream, &mut Vec::new());
    assert!(link.status().is_busy);
    let mut heard = Vec::new();
    assert!(taken(&mut stuffed, &mut heard));
    assert_eq!(heard.len(), 6 * row.len() + answer(3, b'T').len());
    read(&mut native_stream, &mut Vec::new());
    assert!(!link.status().is_busy, "the rest was thrown away");
}

#[test]
fn the_end_of_the_session_is_told_to_all_with_its_last_words() {
    for words in [true, false] {
        let (link, mut native_stream, mut server) = linked(4096);
        let (mut first, mut second) = (ask(&link, 1), ask(&link, 2));
        if words {
            say(&mut server, &message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgone\0\0"));
        }
        drop(server);
        let mut heard = Vec::new();
        while let Ok(piece) = now(poll_fn(|cx| first.poll(cx))).expect("it has ended") {
            heard.extend_from_slice(&piece);
        }
        assert_eq!(!heard.is_empty(), words);
        assert_eq!(now(poll_fn(|cx| second.poll(cx))), Some(Err(AnswerError::Ended)));
        assert_eq!(link.fatal_error().map(|response| response.code), words.then(|| "57P01".into()));
        assert!(link.status().is_ended);
        assert_eq!(now(native_stream.read(&mut [0; 8])).expect("it has ended").unwrap(), 0);
    }
}

/// What a client does, or the server.
#[derive(Debug, Clone)]
enum Act {
    Ours,
    Native,
    Poll(usize),
    Drop(usize),
    Read,
    /// The server says so many of the bytes that it has to say.
    Say(usize),
    Notice,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Ours),
        2 => Just(Act::Native),
        3 => (0..8_usize).prop_map(Act::Poll),
        1 => (0..8_usize).prop_map(Act::Drop),
        2 => Just(Act::Read),
        4 => (1..40_usize).prop_map(Act::Say),
        1 => Just(Act::Notice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done in whatever order, each gets its own answer and nothing else.
    #[test]
    fn any_order_of_things_gives_each_its_own(acts in prop::collection::vec(act(), 0..60)) {
        let (link, mut native_stream, mut server) = linked(1 << 16);
        let (mut number, mut to_say) = (0, Vec::new());
        let mut tickets: Vec<(u8, PendingAnswer, Vec<u8>)> = Vec::new();
        let (mut heard, mut expected) = (Vec::new(), Vec::new());
        let finish = |(number, pending_answer, heard): &mut (u8, PendingAnswer, Vec<u8>)| {
            *heard == answer(*number, b'I') || taken(pending_answer, heard)
        };
        for act in acts {
            match act {
                Act::Ours => {
                    number += 1;
                    tickets.push((number, ask(&link, number), Vec::new()));
                    to_say.extend(answer(number, b'I'));
                }
                Act::Native => {
                    number += 1;
                    now(native_stream.write_all(&message(b'Q', &[number]))).unwrap().unwrap();
                    to_say.extend(answer(number, b'I'));
                    expected.push(answer(number, b'I'));
                }
                Act::Poll(at) => if let Some(pending_answer) = tickets.get_mut(at) {
                    finish(pending_answer);
                },
                Act::Drop(at) => if at < tickets.len() {
                    drop(tickets.swap_remove(at));
                },
                Act::Read => read(&mut native_stream, &mut heard),
                Act::Say(count) => {
                    let rest = to_say.split_off(count.min(to_say.len()));
                    say(&mut server, &std::mem::replace(&mut to_say, rest));
                }
                Act::Notice => to_say.extend(message(b'N', b"")),
            }
        }
        say(&mut server, &to_say);
        for pending_answer in &mut tickets {
            prop_assert!(finish(pending_answer));
            prop_assert_eq!(&pending_answer.2, &answer(pending_answer.0, b'I'));
        }
        read(&mut native_stream, &mut heard);
        let mut native = Vec::new();
        for (tag, body) in messages(&heard).filter(|(tag, _)| *tag != b'N') {
            native.extend(message(tag, body));
        }
        prop_assert_eq!(native, expected.concat());
        prop_assert!(!link.status().is_busy);
    }
}

/// A task that has used up its time is woken by its socket on the spot, while the link is being used; it must come back, be it
/// that somebody else has heard the bell who does not come.
#[tokio::test]
async fn a_task_that_has_used_up_its_time_comes_back() {
    let (link, _facade, mut server) = linked(1 << 16);
    let mut kept = ask(&link, 1);
    assert!(now(poll_fn(|cx| kept.poll(cx))).is_none());
    say(&mut server, &answer(1, b'I'));
    for number in 2..=250 {
        let mut pending_answer = ask(&link, number);
        let mut heard = Vec::new();
        // Nothing that is awaited here makes the task wait.
        say(&mut server, &answer(number, b'I'));
        while heard != answer(number, b'I') {
            heard.extend_from_slice(&poll_fn(|cx| pending_answer.poll(cx)).await.expect("the link lives"));
        }
    }
    let mut heard = Vec::new();
    assert!(taken(&mut kept, &mut heard));
}
