//! Control steps as messages. The steps that every block uses are prepared statements, prepared by the first request
//! that needs them, as parsing costs the server more than running them. Other steps are parsed each time. Values of
//! settings are parameters, so that they appear in no log.

use std::fmt::Write as _;

use smallvec::SmallVec;

use super::{message, names::StatementNames};
use crate::{
    driver::Dialect,
    transaction::control::{Control, Locals, Name, Settings},
};

/// The levels whose savepoints are prepared, including that of the guard.
const LEVELS: u8 = 9;

/// The savepoint that tests whether a transaction is open. No block has this level.
const GUARD: Name = Name::Level(0);

/// The number of commands of the guard.
pub(super) const GUARDS: usize = 2;

/// The guard as text, for a message of several statements. It fails outside a transaction, and has no effect inside
/// one.
pub(super) const GUARD_TEXT: &str = "SAVEPOINT _n0; RELEASE SAVEPOINT _n0; ";

/// A set of the steps that can be prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StepSet(pub(super) u32);

impl StepSet {
    fn has(self, place: u8) -> bool {
        self.0 & (1 << place) != 0
    }
}

/// The place of a step in the set.
fn place(step: &Control) -> Option<u8> {
    let (kind, name) = match step {
        Control::Begin(settings) if settings.is_empty() => return Some(0),
        Control::Savepoint(name) => (0, name),
        Control::Release(name) => (1, name),
        Control::RollbackTo(name) => (2, name),
        _ => return None,
    };
    match name {
        Name::Level(level) => {
            let level = u8::try_from(*level).ok().filter(|level| *level < LEVELS)?;
            Some(1 + kind * LEVELS + level)
        }
        Name::Given(_) => None,
    }
}

/// The prepared steps, and the names of their connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prepares<'n> {
    pub(super) known: StepSet,
    pub(super) names: &'n StatementNames,
}

/// Writes steps, with the guard ahead of them if `guarded`. Steps that are not prepared are prepared, and returned.
/// Without `prepares` no step is prepared.
pub(super) fn write(steps: &[Control], guarded: bool, prepares: Option<Prepares<'_>>, out: &mut Vec<u8>) -> StepSet {
    let mut learnt = StepSet::default();
    if guarded {
        write_step(&Control::Savepoint(GUARD), prepares, &mut learnt, out);
        write_step(&Control::Release(GUARD), prepares, &mut learnt, out);
    }
    for step in steps {
        write_step(step, prepares, &mut learnt, out);
    }
    learnt
}

fn write_step(step: &Control, prepares: Option<Prepares<'_>>, learnt: &mut StepSet, out: &mut Vec<u8>) {
    if let (Some(place), Some(Prepares { known, names })) = (place(step), prepares) {
        let name = names.of_step(place);
        let name = name.bytes();
        if !known.has(place) && !learnt.has(place) {
            // It may have been prepared since, or an earlier attempt may have succeeded in part.
            message::close(name, out);
            message::parse(name, &Dialect::Postgres.render(step), &[], out);
            learnt.0 |= 1 << place;
        }
        message::bind_texts(name, &[], out);
        message::execute(out);
        return;
    }
    for (text, params) in commands(step) {
        message::parse(b"", &text, &[], out);
        message::bind_texts(b"", &params, out);
        message::execute(out);
    }
}

/// The number of commands of a step.
pub(super) fn count(step: &Control) -> usize {
    if place(step).is_some() { 1 } else { commands(step).len() }
}

/// The step that a command belongs to.
pub(super) fn step_of(steps: &[Control], command: usize) -> Option<&Control> {
    let mut behind = 0;
    steps.iter().find(|step| {
        behind += count(step);
        command < behind
    })
}

/// A step in an error: its text, without the values that it sets.
pub(super) fn text(step: &Control) -> String {
    commands(step).into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("; ")
}

type Params<'s> = SmallVec<[&'s str; 4]>;

/// The texts of a step, with their parameters.
fn commands(step: &Control) -> SmallVec<[(String, Params<'_>); 1]> {
    let plain = || SmallVec::from_iter([(Dialect::Postgres.render(step).into_owned(), Params::new())]);
    match step {
        Control::Begin(settings) => begin(settings),
        Control::Set(locals) => SmallVec::from_iter([set(locals)]),
        Control::Restore(locals) => SmallVec::from_iter([restore(locals)]),
        Control::Savepoint(_)
        | Control::Release(_)
        | Control::RollbackTo(_)
        | Control::Limit(_)
        | Control::Commit
        | Control::Rollback => plain(),
    }
}

/// BEGIN with its modes, and the settings: what fails keeps all behind it from running.
fn begin(settings: &Settings) -> SmallVec<[(String, Params<'_>); 1]> {
    let mut commands = SmallVec::new();
    commands.push((Dialect::Postgres.begin_with(settings), Params::new()));
    if settings.locals().is_empty() {
        return commands;
    }
    let mut params = Params::new();
    let mut text = String::from("SELECT ");
    for (at, (key, value)) in settings.locals().iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let (key, value) = (param(key, &mut params), param(value, &mut params));
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}set_config({key}, {value}, true)");
    }
    commands.push((text, params));
    commands
}

/// The command that applies the settings of a nested block and saves the previous values.
fn set(Locals { depth, settings }: &Locals) -> (String, Params<'_>) {
    let mut params = Params::new();
    let parts = settings.locals().iter().enumerate().map(|(at, (key, value))| {
        let (key, value) = (param(key, &mut params), param(value, &mut params));
        format!(
            "set_config('nestling.saved_{depth}_{at}', current_setting({key}, true), true), set_config({key}, {value}, true)"
        )
    });
    let text = ["SELECT ", &parts.collect::<Vec<_>>().join(", ")].concat();
    (text, params)
}

/// The command that restores the values from before a nested block.
fn restore(Locals { depth, settings }: &Locals) -> (String, Params<'_>) {
    let mut params = Params::new();
    let parts = settings.locals().iter().enumerate().map(|(at, (key, _))| {
        let key = param(key, &mut params);
        format!("set_config({key}, current_setting('nestling.saved_{depth}_{at}', true), true)")
    });
    let text = ["SELECT ", &parts.collect::<Vec<_>>().join(", ")].concat();
    (text, params)
}

/// Adds a parameter, and returns the expression for it. A text that is not ASCII is sent as bytes, as the session may
/// have another encoding.
fn param<'s>(text: &'s str, params: &mut Params<'s>) -> String {
    params.push(text);
    let number = params.len();
    if text.is_ascii() {
        return format!("${number}");
    }
    format!("pg_catalog.convert_from(${number}, 'UTF8')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_all_blocks_have_names_of_their_own() {
        let level = |at: u8| Name::Level(at.into());
        let steps = (0..LEVELS).flat_map(|at| {
            [Control::Savepoint(level(at)), Control::Release(level(at)), Control::RollbackTo(level(at))]
        });
        let mut places: Vec<_> =
            steps.chain([Control::Begin(Settings::default())]).map(|step| place(&step).unwrap()).collect();
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!((places.len(), count), (28, 28));
        // One digit of a name, and one bit of those that are known.
        assert!(places.iter().all(|place| *place < 32));
        assert_eq!(place(&Control::Savepoint(level(LEVELS))), None);
        assert_eq!(place(&Control::Rollback), None);
    }

    #[test]
    fn what_is_set_is_a_parameter() {
        let settings = Settings::default().with_read_only(true).with_local("a.b", "secret").with_local("a.c", "é");
        let begin = Control::Begin(settings.clone());
        assert_eq!(
            text(&begin),
            "BEGIN READ ONLY; SELECT set_config($1, $2, true), set_config($3, pg_catalog.convert_from($4, 'UTF8'), true)"
        );
        assert_eq!(count(&begin), 2);
        let set = Control::Set(Locals { depth: 2, settings: settings.locals_alone() });
        assert!(!text(&set).contains("secret"), "{}", text(&set));
        let steps = [begin, set];
        let found: Vec<_> = (0..4).map(|at| step_of(&steps, at).map(|step| std::ptr::eq(step, &steps[0]))).collect();
        assert_eq!(found, [Some(true), Some(true), Some(false), None]);
    }
}
