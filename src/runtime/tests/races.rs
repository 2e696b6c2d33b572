//! What one thread decides while another ends the block: a mark or a failure counts, or is refused. And wakers, which are
//! foreign code: whatever they do, no lock of ours is held meanwhile.

use std::{
    pin::Pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;

use super::{
    super::{Block, Context, Frame, Origin, session::TransactionStatus},
    fake::{Fake, Recorder},
};
use crate::{
    detach_on_drop::DetachOnDrop,
    error::{Error, ErrorKind},
    transaction::control::Settings,
};

const ROUNDS: usize = 50_000;

/// What the other thread does while the root commits; whether it was accepted.
type Attack = fn(&Arc<Frame<Fake>>) -> bool;

/// Passes the time of so many turns of a loop, if it is more than none.
fn spin(turns: isize) {
    (0..turns).for_each(|_| std::hint::spin_loop());
}

/// Commits roots, each while another thread attacks it. Whoever was too early waits longer the next time, so that the
/// attacks come at the moment at which they are accepted no more, however fast the machine is.
fn race(attack: Attack) {
    let (give, given) = mpsc::sync_channel::<(Arc<Frame<Fake>>, isize)>(1);
    let (tell, told) = mpsc::channel();
    let barrier = Arc::new(Barrier::new(2));
    let theirs = Arc::clone(&barrier);
    let attacker = thread::spawn(move || {
        for (frame, wait) in given {
            theirs.wait();
            spin(wait);
            tell.send(attack(&frame)).expect("it is waited for");
        }
    });
    let (mut accepted, mut wait) = (0, 0_isize);
    for round in 0..ROUNDS {
        let recorder = Recorder::of(1);
        let opened =
            Block::root(&Context::default(), None, Settings::default(), Origin::default(), || recorder.session());
        let block = opened.unwrap().block().now_or_never().unwrap().unwrap();
        recorder.write_in(block.frame(), 1).now_or_never().unwrap().unwrap();
        give.send((Arc::clone(block.frame()), wait)).unwrap();
        barrier.wait();
        spin(-wait);
        let ended = block.commit().now_or_never().expect("the answer is there at once");
        let was_accepted = told.recv().unwrap();
        accepted += usize::from(was_accepted);
        // Steps of many lengths, so that it does not swing about one pair of moments.
        let step = (round % 13) as isize + 1;
        wait += if was_accepted { step } else { -step };
        let is_kept = !recorder.committed().is_empty();
        assert!(!(was_accepted && is_kept), "round {round}: accepted, and committed all the same ({ended:?})");
    }
    drop(give);
    attacker.join().unwrap();
    assert!(accepted > 0 && accepted < ROUNDS, "both come about: {accepted} of {ROUNDS}");
}

/// rule 20: a mark that was accepted is never lost
#[test]
fn a_mark_is_accepted_and_counts_or_is_refused() {
    race(|frame| frame.set_rollback_only(false).is_ok());
}

/// rules 26 and 27: the failure of a joined transaction in another task
#[test]
fn a_joined_failure_counts_if_the_root_was_open() {
    race(|frame| frame.decide(TransactionStatus::RollbackOnly(Error::new(ErrorKind::Server, "joined"))));
}

/// Runs something on a thread of its own, which must not stand still.
fn within_a_while(run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        run();
        done.send(()).expect("it is waited for");
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("it stands still, or has panicked");
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A waker that drops the future it was made for, and uses the session.
struct Dropper {
    future: Mutex<Option<Boxed>>,
    frame: Arc<Frame<Fake>>,
    woken: AtomicUsize,
}

impl Wake for Dropper {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let future = self.future.lock().unwrap().take();
        drop(future);
        // It needs the ledger.
        let _ = self.frame.set_rollback_only(false);
    }
}

/// fault kind "foreign code under a lock of ours": whoever waits for a turn is woken when the block ends
#[test]
fn a_waker_may_drop_its_future_and_use_the_session_when_a_block_ends() {
    for drops in [false, true] {
        within_a_while(move || {
            let recorder = Recorder::of(1);
            let opened =
                Block::root(&Context::default(), None, Settings::default(), Origin::default(), || recorder.session());
            let block = opened.unwrap().block().now_or_never().unwrap().unwrap();
            let frame = Arc::clone(block.frame());
            let turn = frame.alone("a test").now_or_never().expect("it is free").unwrap();
            let theirs = Arc::clone(&frame);
            let waiting: Boxed = Box::pin(async move { drop(theirs.statement().await.map(|_turn| ())) });
            let waker = Arc::new(Dropper { future: Mutex::default(), frame, woken: AtomicUsize::new(0) });
            let mut waiting = waiting;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            let polled = waiting.as_mut().poll(&mut TaskContext::from_waker(&Waker::from(Arc::clone(&waker))));
            assert!(matches!(polled, Poll::Pending));
            *waker.future.lock().unwrap() = Some(waiting);
            if drops {
                drop(block);
            } else {
                block.rollback().now_or_never().expect("nothing was sent");
            }
            assert!(waker.woken.load(Ordering::SeqCst) > 0);
            drop(turn);
        });
    }
}

/// fault kind "a future that panicked is polled again"
#[tokio::test]
async fn work_that_panicked_does_not_go_on_in_the_background() {
    let polls = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&polls);
    let work = std::future::poll_fn(move |_| -> Poll<()> {
        theirs.fetch_add(1, Ordering::SeqCst);
        panic!("as asked for")
    });
    let mut outlive = DetachOnDrop::new(Box::pin(work));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = Pin::new(&mut outlive).poll(&mut TaskContext::from_waker(Waker::noop()));
    }));
    assert!(polled.is_err());
    drop(outlive);
    super::fake::settle().await;
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}
