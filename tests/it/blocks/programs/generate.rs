//! Random programs, and short names for the parts of those that are written by hand.

use proptest::{collection::vec, prelude::*, strategy::Union};

use super::{
    program::{End, Kind, Op, Program, Step, Way, What},
    settings,
};

/// Few keys and names, so that programs meet rows that are there.
fn key() -> impl Strategy<Value = i64> {
    0..4_i64
}

fn name() -> impl Strategy<Value = char> {
    prop::sample::select(vec!['a', 'b', 'c'])
}

fn kind() -> impl Strategy<Value = Kind> {
    let names = ["_n1", "_N1", "s1", "S1", "we\"ird; \u{e9}", "twice"];
    Union::new_weighted(vec![
        (5, Just(Kind::Atomic).boxed()),
        (2, Just(Kind::Savepoint).boxed()),
        (2, prop::sample::select(names.map(Kind::Named).to_vec()).boxed()),
        (3, Just(Kind::Transaction).boxed()),
        (1, Just(Kind::Connection).boxed()),
    ])
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Returns),
        2 => Just(End::Fails),
        2 => (0..3_usize).prop_map(End::Hangs),
        1 => (0..3_usize).prop_map(End::Panics),
    ]
}

fn statement() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (key(), name()).prop_map(|(key, name)| Op::Insert { key, name }),
        2 => (key(), name()).prop_map(|(key, name)| Op::Rename { key, name }),
        1 => key().prop_map(|key| Op::Delete { key }),
        4 => Just(Op::Read),
        1 => (0..settings::COUNT).prop_map(Op::Set),
        1 => Just(Op::Look),
    ]
}

/// What is kept beyond a block, at its end.
fn keep() -> impl Strategy<Value = Step> {
    let what = prop::sample::select(vec![What::Sleep, What::Short, What::Two, What::Few, What::Many]);
    what.prop_map(|what| Step::new(Op::Keep(what), false))
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        3 => (1..20_usize).prop_map(Way::Polls),
        2 => (1..8_u64).prop_map(Way::Flights),
        3 => (0..40_usize).prop_map(Way::Abort),
    ]
}

fn step(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Step> {
    (op, any::<bool>()).prop_map(|(op, passes)| Step::new(op, passes))
}

/// Blocks, and single statements that cannot fail on rows that nobody has.
fn branch(inner: impl Strategy<Value = Step> + Clone) -> impl Strategy<Value = Step> {
    let alone = prop_oneof![(key(), name()).prop_map(|(key, name)| Op::Insert { key, name }), Just(Op::Read),];
    prop_oneof![1 => step(alone), 3 => block(inner)]
}

fn block(inner: impl Strategy<Value = Step>) -> impl Strategy<Value = Step> {
    let (kept, way) = (prop::option::weighted(0.2, keep()), prop::option::weighted(0.15, way()));
    let parts = (kind(), vec(inner, 0..5), kept, end(), way);
    step(parts.prop_map(|(kind, mut body, kept, end, way)| {
        body.extend(kept);
        Op::Block { kind, body: body.into(), end, way }
    }))
}

/// Any program.
pub(super) fn programs() -> impl Strategy<Value = Program> {
    let finish = any::<bool>().prop_map(|polls| Op::Finish { polls });
    let rare = prop_oneof![4 => Just(Op::Abandon), 2 => Just(Op::Mark), 1 => finish];
    let leaf = prop_oneof![10 => step(statement()), 1 => step(rare)];
    let steps = leaf.prop_recursive(4, 30, 5, |inner| {
        let branches = (vec(branch(inner.clone()), 2..4), any::<bool>());
        let join = branches.prop_map(|(branches, tasks)| Op::Join { branches: branches.into(), tasks });
        prop_oneof![3 => inner.clone(), 6 => block(inner), 1 => step(join)]
    });
    let keeps = prop::bool::weighted(0.25);
    (any::<bool>(), keeps, vec(steps, 1..6)).prop_map(|(scoped, keeps, steps)| Program::new(scoped, keeps, steps))
}

pub(super) fn insert(key: i64, name: char) -> Step {
    Step::new(Op::Insert { key, name }, false)
}

pub(super) fn read() -> Step {
    Step::new(Op::Read, false)
}

pub(super) fn abandon() -> Step {
    Step::new(Op::Abandon, false)
}

pub(super) fn mark() -> Step {
    Step::new(Op::Mark, false)
}

pub(super) fn open<const N: usize>(kind: Kind, body: [Step; N], end: End) -> Step {
    Step::new(Op::Block { kind, body: body.into(), end, way: None }, false)
}

pub(super) fn join<const N: usize>(branches: [Step; N]) -> Step {
    Step::new(Op::Join { branches: branches.into(), tasks: false }, false)
}

impl Step {
    /// Its error is passed on.
    pub(super) fn passed(self) -> Self {
        Self { passes: true, ..self }
    }

    /// The block may be dropped before its end.
    pub(super) fn dropped(mut self, when: Way) -> Self {
        if let Op::Block { way, .. } = &mut self.op {
            *way = Some(when);
        }
        self
    }
}
