//! Random programs of blocks, statements, errors, drops, joins and joined transactions: each is run to its end, with a
//! fault at each flight, and dropped at each poll. What the model of a server keeps must be what a naive model of the
//! program keeps, and nothing may be left behind.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
};

use futures_util::future::join;
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _};
use tokio::runtime::Runtime;

use super::{
    fake::{Injected, Recorder, poll_and_drop, settle},
    server::Keys,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::impact::Impact,
};

/// Far more polls than any program needs: one that is not ready by then hangs.
const FOREVER: usize = 10_000;

#[derive(Debug, Clone)]
enum Item {
    /// It writes the key, and its error is swallowed or not.
    Write(u8, bool),
    Fail(bool),
    Yield,
    Block(Body),
    Joined(Body),
    /// The block is dropped after so many polls. What had become of it is written down under the key.
    Dropped(u8, usize, Body),
    /// Two bodies at once.
    Join(Vec<Self>, Vec<Self>),
}

#[derive(Debug, Clone)]
struct Body {
    items: Vec<Item>,
    fails: bool,
    /// Whether what is around it goes on after its error.
    absorbed: bool,
}

/// A run on the core.
struct Run<'r> {
    recorder: &'r Recorder,
    /// The blocks that were dropped, by their key, with whether they had ended and how.
    ended: RefCell<BTreeMap<u8, Option<bool>>>,
}

type Step<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

fn ends(body: &Body) -> Result<(), Error> {
    if body.fails { Err(Error::new(ErrorKind::NoRow, "the body's own error")) } else { Ok(()) }
}

impl Run<'_> {
    fn items<'a>(&'a self, items: &'a [Item]) -> Step<'a> {
        Box::pin(async move {
            for item in items {
                self.item(item).await?;
            }
            Ok(())
        })
    }

    async fn item(&self, item: &Item) -> Result<(), Error> {
        let (result, swallowed) = match item {
            Item::Write(key, swallowed) => (self.recorder.write(*key).await, *swallowed),
            Item::Fail(swallowed) => (self.recorder.fail().await, *swallowed),
            Item::Yield => {
                tokio::task::yield_now().await;
                (Ok(()), true)
            }
            Item::Block(body) => (self.block(body).await, body.absorbed),
            Item::Joined(body) => {
                let inside = async { self.items(&body.items).await.and_then(|()| ends(body)) };
                (self.recorder.joined(inside).await, body.absorbed)
            }
            Item::Dropped(key, polls, body) => {
                let ended = poll_and_drop(*polls, self.block(body)).await;
                let told = ended.as_ref().map(Result::is_ok);
                self.ended.borrow_mut().insert(*key, told);
                (ended.unwrap_or(Ok(())), body.absorbed)
            }
            Item::Join(one, other) => {
                let (one, other) = join(self.items(one), self.items(other)).await;
                (one.and(other), false)
            }
        };
        if swallowed { Ok(()) } else { result }
    }

    fn block<'a>(&'a self, body: &'a Body) -> Step<'a> {
        Box::pin(self.recorder.atomic(async || {
            self.items(&body.items).await?;
            ends(body)
        }))
    }
}

/// The naive model of a program: what it keeps if nothing goes wrong but what stands in it.
struct Model<'m> {
    ended: &'m BTreeMap<u8, Option<bool>>,
    /// A joined transaction has failed.
    marked: bool,
}

impl Model<'_> {
    fn items(&mut self, items: &[Item], keys: &mut Keys, aborted: &mut bool) -> Result<(), ()> {
        items.iter().try_for_each(|item| self.item(item, keys, aborted))
    }

    fn item(&mut self, item: &Item, keys: &mut Keys, aborted: &mut bool) -> Result<(), ()> {
        let (result, swallowed) = match item {
            Item::Yield => (Ok(()), true),
            Item::Join(one, other) => {
                let (one, other) = (self.items(one, keys, aborted), self.items(other, keys, aborted));
                (one.and(other), false)
            }
            Item::Write(_, swallowed) if *aborted => (Err(()), *swallowed),
            Item::Write(key, _) => {
                keys.insert(*key);
                (Ok(()), true)
            }
            Item::Fail(swallowed) => {
                *aborted = true;
                (Err(()), *swallowed)
            }
            Item::Joined(body) if *aborted => (Err(()), body.absorbed),
            Item::Joined(body) => {
                let result = self.items(&body.items, keys, aborted).and(if body.fails { Err(()) } else { Ok(()) });
                self.marked |= result.is_err();
                (result, body.absorbed)
            }
            Item::Dropped(key, _, body) => match self.ended.get(key) {
                Some(Some(_)) => (self.block(body, keys, *aborted), body.absorbed),
                Some(None) | None => (Ok(()), true),
            },
            Item::Block(body) => (self.block(body, keys, *aborted), body.absorbed),
        };
        if swallowed { Ok(()) } else { result }
    }

    fn block(&mut self, body: &Body, keys: &mut Keys, aborted: bool) -> Result<(), ()> {
        if aborted {
            return Err(());
        }
        let (mut inside, mut aborted) = (keys.clone(), false);
        self.items(&body.items, &mut inside, &mut aborted)?;
        if body.fails || aborted {
            return Err(());
        }
        *keys = inside;
        Ok(())
    }
}

/// What the root keeps, and whether it returns `Ok`.
fn model(root: &Body, ended: &BTreeMap<u8, Option<bool>>) -> (Keys, bool) {
    let mut model = Model { ended, marked: false };
    let mut keys = Keys::new();
    let result = model.block(root, &mut keys, false);
    if result.is_ok() && !model.marked { (keys, true) } else { (Keys::new(), false) }
}

/// One run, dropped after so many polls, and what came of it.
struct Outcome {
    result: Option<Result<(), Error>>,
    committed: Keys,
    log: Vec<String>,
    flights: usize,
    ended: BTreeMap<u8, Option<bool>>,
}

fn run(runtime: &Runtime, root: &Body, latency: usize, fault: Option<(usize, Impact)>, polls: usize) -> Outcome {
    let recorder = Recorder::of(1);
    recorder.set_latency(latency);
    if let Some((flight, impact)) = fault {
        recorder.inject(flight, Injected::Fails(impact));
    }
    let run = Run { recorder: &recorder, ended: RefCell::default() };
    let result = runtime.block_on(async {
        let result = poll_and_drop(polls, run.block(root)).await;
        settle().await;
        result
    });
    recorder.assert_at_rest();
    let tally = recorder.tally();
    assert_eq!(tally.owed, tally.cancelled + tally.sent, "steps are still owed by somebody");
    let (committed, log, flights) = (recorder.committed(), recorder.log(), recorder.flights());
    Outcome { result, committed, log, flights, ended: run.ended.into_inner() }
}

fn check(root: &Body, latency: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let whole = run(&runtime, root, latency, None, FOREVER);
    let (keys, ok) = model(root, &whole.ended);
    assert_eq!(whole.result.expect("it does not hang").is_ok(), ok, "{:?}", whole.log);
    assert_eq!(whole.committed, keys, "{:?}", whole.log);
    for polls in 0..FOREVER {
        let part = run(&runtime, root, latency, None, polls);
        let committing = part.log.iter().any(|step| step == "COMMIT");
        assert_eq!(part.committed, if committing { keys.clone() } else { Keys::new() }, "{polls}: {:?}", part.log);
        if part.result.is_some() {
            break;
        }
    }
    for flight in 0..whole.flights {
        for impact in [Impact::None, Impact::Block, Impact::Transaction, Impact::Connection, Impact::NotSent] {
            let hit = run(&runtime, root, latency, Some((flight, impact)), FOREVER);
            let ok = hit.result.expect("it does not hang").is_ok();
            let told = format!("{impact:?} at {flight}: {:?}", hit.log);
            assert!(ok || hit.committed.is_empty(), "an error, and rows are kept: {told}");
            assert!(
                !ok || !matches!(impact, Impact::Transaction | Impact::Connection | Impact::NotSent),
                "a lost Ok: {told}"
            );
        }
    }
}

/// Gives every write and every dropped block a key of its own, and takes out what the model cannot tell: a joined
/// transaction inside a block that is dropped, and what makes the order of joined bodies matter to their frame.
fn number(items: Vec<Item>, next: &mut u8, in_dropped: bool, in_join: bool) -> Vec<Item> {
    let mut out = Vec::new();
    for item in items {
        *next = next.wrapping_add(1);
        let key = *next;
        out.push(match item {
            Item::Write(_, swallowed) => Item::Write(key, swallowed),
            Item::Fail(_) if in_join => Item::Yield,
            Item::Joined(_) if in_join || in_dropped => Item::Yield,
            item @ (Item::Fail(_) | Item::Yield) => item,
            Item::Block(body) => Item::Block(inside(body, next, in_dropped)),
            Item::Dropped(_, polls, body) => Item::Dropped(key, polls, inside(body, next, true)),
            Item::Joined(body) => {
                let items = number(body.items, next, in_dropped, false);
                Item::Joined(Body { items, ..body })
            }
            Item::Join(one, other) => {
                let one = number(one, next, in_dropped, true);
                Item::Join(one, number(other, next, in_dropped, true))
            }
        });
    }
    out
}

fn inside(body: Body, next: &mut u8, in_dropped: bool) -> Body {
    Body { items: number(body.items, next, in_dropped, false), ..body }
}

fn body(items: impl Strategy<Value = Item>) -> impl Strategy<Value = Body> {
    let often_ok = prop::bool::weighted(0.2);
    (vec(items, 0..5), often_ok, prop::bool::weighted(0.8)).prop_map(|(items, fails, absorbed)| Body {
        items,
        fails,
        absorbed,
    })
}

fn root() -> impl Strategy<Value = Body> {
    let leaf = prop_oneof![
        6 => any::<bool>().prop_map(|swallowed| Item::Write(0, swallowed)),
        1 => any::<bool>().prop_map(Item::Fail),
        1 => Just(Item::Yield),
    ];
    let item = leaf.prop_recursive(4, 24, 5, |item| {
        prop_oneof![
            3 => item.clone(),
            4 => body(item.clone()).prop_map(Item::Block),
            1 => body(item.clone()).prop_map(Item::Joined),
            2 => (0_usize..12, body(item.clone())).prop_map(|(polls, body)| Item::Dropped(0, polls, body)),
            1 => (vec(item.clone(), 0..4), vec(item, 0..4)).prop_map(|(one, other)| Item::Join(one, other)),
        ]
    });
    body(item).prop_map(|root| inside(root, &mut 0, false))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// rules 3, 6, 9, 14, 17, 26, 27, 31, 33, 37, 40, 43
    #[test]
    fn programs_keep_what_a_naive_model_keeps_wherever_they_are_dropped_or_fail(root in root(), latency in 0_usize..3) {
        check(&root, latency);
    }
}

/// The generator makes what the test is about.
#[test]
fn programs_have_all_kinds_of_items() {
    fn visit(items: &[Item], seen: &mut BTreeSet<&'static str>) {
        for item in items {
            let (kind, parts): (_, Vec<&[Item]>) = match item {
                Item::Write(..) => ("write", vec![]),
                Item::Fail(_) => ("fail", vec![]),
                Item::Yield => ("yield", vec![]),
                Item::Block(body) => ("block", vec![&body.items]),
                Item::Joined(body) => ("joined", vec![&body.items]),
                Item::Dropped(_, _, body) => ("dropped", vec![&body.items]),
                Item::Join(one, other) => ("join", vec![one, other]),
            };
            seen.insert(kind);
            parts.into_iter().for_each(|items| visit(items, seen));
        }
    }
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let root = root().new_tree(&mut runner).unwrap().current();
        visit(&root.items, &mut seen);
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}
