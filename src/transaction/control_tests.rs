//! The ledger against a naive model: random trees of blocks run once with each step sent at once and once through the
//! ledger, on a model of a server. Used by nothing but `cargo test`; it knows `control` alone.

use proptest::{collection::vec, prelude::*};

use super::*;

use self::model::{Rows, Server};

#[path = "control_model_tests.rs"]
mod model;

#[derive(Debug, Clone)]
enum Statement {
    Read,
    Write(u8),
    Fail,
}

#[derive(Debug, Clone)]
enum Item {
    /// A statement, whether its error is swallowed, and how often the connection turns out stale with it.
    Statement(Statement, bool, u8),
    Block(Block),
}

#[derive(Debug, Clone)]
struct Block {
    /// Which of the given names, or a generated one.
    given: Option<usize>,
    items: Vec<Item>,
    end: End,
    /// Whether the block around goes on after an error or a drop of this one.
    absorbed: bool,
    /// Whether it has a setting of its own.
    sets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Ok,
    Err,
    Drop,
}

/// A session's steps and statements, on the way to the server.
struct Run {
    server: Server,
    /// Without one, each step is sent at once.
    ledger: Option<Ledger>,
    seen: Vec<Result<Rows, ()>>,
    statements: usize,
    flights: usize,
    wrote: bool,
}

const GIVEN: [&str; 5] = ["a", "A", "b", "_n1", "_N2"];

impl Run {
    fn of(roots: &[Block], lazy: bool, folds: bool) -> Self {
        let server = Server { folds, ..Server::default() };
        let ledger = lazy.then(Ledger::default);
        let mut run = Self { server, ledger, seen: vec![], statements: 0, flights: 0, wrote: false };
        for root in roots {
            run.root(root);
        }
        // The pinned session is given back.
        run.fly(&None, 0);
        run
    }

    fn root(&mut self, root: &Block) {
        self.wrote = false;
        self.owe(Control::Begin(Settings::default()));
        match self.items(&root.items, 1).unwrap_or(root.end) {
            End::Drop => match &mut self.ledger {
                Some(ledger) => ledger.owe_rollback(),
                None => self.server.control(&Control::Rollback),
            },
            end => self.finish(end == End::Ok),
        }
        self.check();
    }

    fn finish(&mut self, commit: bool) {
        let Some(ledger) = &mut self.ledger else {
            return self.server.control(if commit { &Control::Commit } else { &Control::Rollback });
        };
        if let Some(steps) = ledger.finish(commit) {
            assert!(ledger.is_settled() && !ledger.begun());
            self.flights += 1;
            self.send(&steps);
        }
    }

    /// What a body comes to, if not to its own end. A statement error that was swallowed aborts the block all the same.
    fn items(&mut self, items: &[Item], depth: u32) -> Option<End> {
        let mut aborted = None;
        for item in items {
            let (end, absorbed) = match item {
                _ if aborted.is_some() => break,
                Item::Statement(statement, swallowed, stale) => {
                    let result = self.fly(&Some(statement), *stale);
                    let failed = matches!(result, Some(Err(())));
                    aborted = failed.then_some(End::Err);
                    (aborted.unwrap_or(End::Ok), *swallowed)
                }
                Item::Block(block) => (self.block(block, depth), block.absorbed),
            };
            if end != End::Ok && !absorbed {
                return Some(end);
            }
        }
        aborted
    }

    fn block(&mut self, block: &Block, depth: u32) -> End {
        let name = block.given.map_or(Name::Level(depth), |which| Name::Given(GIVEN[which].into()));
        self.owe(Control::Savepoint(name.clone()));
        let locals = Locals { depth, settings: Settings::default().with_local("x", "y") };
        if block.sets {
            self.owe(Control::Set(locals.clone()));
        }
        let end = self.items(&block.items, depth + 1).unwrap_or(block.end);
        if end != End::Ok {
            self.owe(Control::RollbackTo(name.clone()));
        } else if block.sets {
            self.owe(Control::Restore(locals));
        }
        self.owe(Control::Release(name));
        end
    }

    fn owe(&mut self, step: Control) {
        match &mut self.ledger {
            Some(ledger) => ledger.owe(step),
            None => self.server.control(&step),
        }
        self.check();
    }

    /// Pays the debt, ahead of a statement if there is one.
    fn fly(&mut self, statement: &Option<&Statement>, stale: u8) -> Option<Result<Rows, ()>> {
        let stale = if self.wrote { 0 } else { stale };
        if let Some(ledger) = &mut self.ledger {
            for _ in 0..stale {
                ledger.take();
                ledger.reset();
                // The server has rolled back by itself what was open on the connection that broke.
                let rows = self.server.begun.take().unwrap_or_else(|| self.server.rows.clone());
                self.server = Server { rows, folds: self.server.folds, ..Server::default() };
            }
            let steps = ledger.take();
            self.flights += usize::from(statement.is_some() || !steps.is_empty());
            self.send(&steps);
        }
        let statement = (*statement)?;
        self.statements += 1;
        self.wrote |= matches!(statement, Statement::Write(_));
        let result = self.server.statement(statement, u32::try_from(self.statements).expect("few"));
        self.seen.push(result.clone());
        Some(result)
    }

    fn send(&mut self, steps: &[Control]) {
        self.check();
        for step in steps {
            self.server.control(step);
        }
        let open = self.server.savepoints.iter().map(|(name, _)| name.clone());
        let known = self.ledger.iter().flat_map(|ledger| ledger.open.iter().skip(1));
        let known = known.filter(|step| !matches!(step, Control::Set(_)));
        assert!(open.eq(known.map(|step| match step {
            Control::Savepoint(name) => name.to_string(),
            other => panic!("{other:?} is not open inside a transaction"),
        })));
    }

    fn check(&self) {
        let Some(Ledger { owed, open, kept, tally }) = &self.ledger else { return };
        assert_eq!(tally.owed, tally.cancelled + tally.sent + count(owed.len()));
        assert!(*kept <= open.len());
        let openings = owed.iter().skip_while(|step| !step.opens());
        assert!(openings.clone().all(Control::opens), "{owed:?}");
    }
}

fn block(item: impl Strategy<Value = Item>) -> impl Strategy<Value = Block> {
    let given = prop_oneof![2 => Just(None), 3 => (0..GIVEN.len()).prop_map(Some)];
    let end = prop_oneof![3 => Just(End::Ok), 1 => Just(End::Err), 2 => Just(End::Drop)];
    let parts = (given, vec(item, 0..5), end, any::<bool>(), any::<bool>());
    parts.prop_map(|(given, items, end, absorbed, sets)| Block { given, items, end, absorbed, sets })
}

fn roots() -> impl Strategy<Value = Vec<Block>> {
    let statement = prop_oneof![
        2 => Just(Statement::Read),
        6 => (0..4u8).prop_map(Statement::Write),
        1 => Just(Statement::Fail),
    ];
    let stale = prop_oneof![5 => Just(0), 1 => 1..3u8];
    let leaf =
        (statement, any::<bool>(), stale).prop_map(|(what, swallowed, stale)| Item::Statement(what, swallowed, stale));
    let item = leaf.prop_recursive(5, 48, 5, |item| block(item).prop_map(Item::Block));
    vec(block(item), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_through_the_ledger_do_what_steps_sent_at_once_do(roots in roots(), folds: bool) {
        let (eager, mut lazy) = (Run::of(&roots, false, folds), Run::of(&roots, true, folds));
        prop_assert_eq!(&lazy.seen, &eager.seen);
        prop_assert_eq!(&lazy.server.rows, &eager.server.rows);
        prop_assert!(lazy.server.begun.is_none() && eager.server.begun.is_none());
        prop_assert!(lazy.flights <= lazy.statements + roots.len());
        if lazy.statements == 0 {
            prop_assert_eq!(lazy.flights, 0);
        } else if roots.len() == 1 {
            prop_assert_eq!(lazy.flights, lazy.statements + 1);
        }
        let tally = lazy.ledger.as_mut().map(Ledger::take_tally).expect("it was run with one");
        prop_assert_eq!(tally.owed, tally.cancelled + tally.sent);
    }
}

fn owing(steps: impl IntoIterator<Item = Control>) -> Ledger {
    let mut ledger = Ledger::default();
    steps.into_iter().for_each(|step| ledger.owe(step));
    ledger
}

fn two_levels_open() -> Ledger {
    let begin = Control::Begin(Settings::default());
    let mut ledger = owing([begin, Control::Savepoint(level(1)), Control::Savepoint(level(2))]);
    ledger.take();
    ledger
}

fn level(level: u32) -> Name {
    Name::Level(level)
}

#[test]
fn an_empty_block_owes_nothing_rule_56() {
    let mut ledger =
        owing([Control::Begin(Settings::default()), Control::Savepoint(level(1)), Control::Release(level(1))]);
    assert_eq!(ledger.owed.len(), 1);
    assert_eq!(ledger.finish(true), None);
    assert!(ledger.is_settled());
    assert_eq!(ledger.take_tally(), Tally { owed: 3, cancelled: 3, sent: 0 });
}

#[test]
fn a_sibling_takes_over_the_savepoint_that_was_rolled_back() {
    let mut ledger = owing([Control::Begin(Settings::default()), Control::Savepoint(level(1))]);
    ledger.take();
    for _ in 0..3 {
        ledger.owe(Control::RollbackTo(level(1)));
        ledger.owe(Control::Release(level(1)));
        ledger.owe(Control::Savepoint(level(1)));
    }
    assert_eq!(ledger.take().as_slice(), [Control::RollbackTo(level(1))]);
    assert_eq!(ledger.finish(true).as_deref(), Some(&[Control::Commit][..]));
}

#[test]
fn what_hides_a_savepoint_is_released_before_it_is_rolled_back() {
    let [outer, inner] = ["a", "A"].map(|name| Name::Given(name.into()));
    let mut ledger = owing([Control::Begin(Settings::default()), Control::Savepoint(outer.clone())]);
    ledger.owe(Control::Savepoint(inner.clone()));
    ledger.take();
    let owed = [Control::Release(inner), Control::RollbackTo(outer.clone()), Control::Release(outer)];
    owed.iter().for_each(|step| ledger.owe(step.clone()));
    let [release, undo, _] = owed;
    assert_eq!(ledger.finish(true).as_deref(), Some(&[release, undo, Control::Commit][..]));
}

#[test]
fn rolling_back_makes_all_inside_void() {
    let ([one, two], mut ledger) = ([level(1), level(2)], two_levels_open());
    for step in [Control::RollbackTo(two.clone()), Control::Release(two), Control::RollbackTo(one.clone())] {
        ledger.owe(step);
    }
    assert_eq!(ledger.take().as_slice(), [Control::RollbackTo(one)]);
}

#[test]
fn a_savepoint_that_was_kept_is_not_taken_over() {
    let ([one, two], mut ledger) = ([level(1), level(2)], two_levels_open());
    let owed = [Control::RollbackTo(two), Control::Release(one.clone()), Control::Savepoint(one)];
    owed.iter().for_each(|step| ledger.owe(step.clone()));
    assert_eq!(ledger.take().as_slice(), owed);
}

#[test]
fn a_dropped_root_is_rolled_back_ahead_of_the_next() {
    let mut ledger = owing([Control::Begin(Settings::default())]);
    ledger.take();
    ledger.owe_rollback();
    assert!(!ledger.begun());
    ledger.owe(Control::Begin(Settings::default()));
    ledger.owe_rollback();
    ledger.owe(Control::Begin(Settings::default()));
    assert_eq!(ledger.finish(true), None);
    assert_eq!(ledger.take().as_slice(), [Control::Rollback]);
}

#[test]
fn on_a_new_connection_what_was_open_is_owed_again_rule_60() {
    let begin = Control::Begin(Settings::default());
    let [one, two, three] = [1, 2, 3].map(|depth| Control::Savepoint(level(depth)));
    let mut ledger = owing([begin.clone(), one.clone(), two.clone()]);
    ledger.take();
    ledger.owe(Control::RollbackTo(level(2)));
    ledger.owe(Control::Release(level(2)));
    ledger.owe(three.clone());
    ledger.reset();
    assert_eq!(ledger.take().as_slice(), [begin, one, three]);
    assert_eq!(ledger.take_tally(), Tally { owed: 8, cancelled: 2, sent: 6 });
}

#[test]
fn a_block_that_ended_with_the_one_around_it_changes_nothing() {
    let mut ledger = two_levels_open();
    ledger.owe(Control::Release(level(1)));
    ledger.owe(Control::RollbackTo(level(2)));
    ledger.owe(Control::Release(level(2)));
    assert_eq!(ledger.take().as_slice(), [Control::Release(level(1))]);
}

#[test]
fn settings_that_differ_are_named_rule_30() {
    let open = Settings::default().with_isolation(Isolation::ReadCommitted).with_local("app.tenant", "secret");
    let conflict = |asked: Settings| asked.conflicts_with(&open);
    assert_eq!(size_of::<Settings>(), size_of::<usize>());
    assert_eq!(conflict(Settings::default()), None);
    assert_eq!(conflict(open.clone()), None);
    assert_eq!(conflict(Settings::default().with_read_only(false).with_deferrable(false)), None);
    let text = "isolation level SERIALIZABLE was asked for, the open transaction has READ COMMITTED";
    assert_eq!(conflict(Settings::default().with_isolation(Isolation::Serializable)).as_deref(), Some(text));
    let text = "a read-only transaction was asked for, the open one is read-write";
    assert_eq!(conflict(Settings::default().with_read_only(true)).as_deref(), Some(text));
    let text = "a transaction deferrable was asked for, the open one is not";
    assert_eq!(conflict(Settings::default().with_deferrable(true)).as_deref(), Some(text));
    assert_eq!(conflict(Settings::default().with_local("app.tenant", "other")), None, "a nested block may have it");
    assert_eq!(open.local("App.Tenant"), Some("secret"));
    assert_eq!(open.locals_alone(), Settings::default().with_local("app.tenant", "secret"));
    assert!(Settings::default().with_read_only(true).locals_alone().is_empty());
}
