//! What a transaction, or a block in it, was asked to be: isolation, access mode, local settings. Plain data, used by control
//! steps; it knows no SQL.

use std::{fmt, sync::Arc};

use super::limits::Limits;

/// How much of other transactions' work a transaction may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Rows that are not committed yet may be seen. PostgreSQL reads it as [`ReadCommitted`](Self::ReadCommitted).
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first of them began.
    RepeatableRead,
    /// As if transactions ran one after another. SQLite always does so.
    Serializable,
}

impl Isolation {
    /// The name that the SQL standard gives this level.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// What a transaction was asked to be. Nearly all ask for nothing: that costs a pointer and no allocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings(Option<Arc<Requested>>);

#[derive(Clone, Default, PartialEq)]
struct Requested {
    isolation: Option<Isolation>,
    read_only: Option<bool>,
    deferrable: Option<bool>,
    locals: Vec<(String, String)>,
    /// Kept by the client, whatever the server is told of them.
    limits: Option<Arc<Limits>>,
}

impl fmt::Debug for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { isolation, read_only, deferrable, locals, limits: _ } = self;
        // A value may be a secret: keys alone.
        let keys: Vec<_> = locals.iter().map(|(key, _)| key).collect();
        write!(f, "Requested({isolation:?}, {read_only:?}, {deferrable:?}, {keys:?})")
    }
}

impl Settings {
    /// Whether nothing was asked for of the server.
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = |asked: &Arc<Requested>| {
            let Requested { isolation, read_only, deferrable, locals, limits: _ } = &**asked;
            isolation.is_none() && read_only.is_none() && deferrable.is_none() && locals.is_empty()
        };
        self.0.as_ref().is_none_or(is_empty)
    }

    #[must_use]
    pub(crate) fn with_limits(self, limits: Arc<Limits>) -> Self {
        self.change(|asked| asked.limits = Some(limits))
    }

    /// The time limits of the block.
    pub(crate) fn limits(&self) -> Option<&Arc<Limits>> {
        self.0.as_ref()?.limits.as_ref()
    }

    #[must_use]
    pub(crate) fn with_isolation(self, isolation: Isolation) -> Self {
        self.change(|asked| asked.isolation = Some(isolation))
    }

    #[must_use]
    pub(crate) fn with_read_only(self, read_only: bool) -> Self {
        self.change(|asked| asked.read_only = Some(read_only))
    }

    #[must_use]
    pub(crate) fn with_deferrable(self, deferrable: bool) -> Self {
        self.change(|asked| asked.deferrable = Some(deferrable))
    }

    /// A setting of the server for this transaction alone; of two for one key the later is kept.
    #[must_use]
    pub(crate) fn with_local(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.change(|asked| {
            asked.locals.retain(|(known, _)| !known.eq_ignore_ascii_case(&key));
            asked.locals.push((key, value));
        })
    }

    #[must_use]
    #[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "for a driver that is not built"))]
    pub(crate) fn without_local(self, key: &str) -> Self {
        self.change(|asked| asked.locals.retain(|(known, _)| !known.eq_ignore_ascii_case(key)))
    }

    fn change(mut self, change: impl FnOnce(&mut Requested)) -> Self {
        change(Arc::make_mut(self.0.get_or_insert_default()));
        self
    }

    pub(crate) fn isolation(&self) -> Option<Isolation> {
        self.0.as_ref()?.isolation
    }

    pub(crate) fn read_only(&self) -> Option<bool> {
        self.0.as_ref()?.read_only
    }

    pub(crate) fn deferrable(&self) -> Option<bool> {
        self.0.as_ref()?.deferrable
    }

    pub(crate) fn locals(&self) -> &[(String, String)] {
        self.0.as_ref().map_or(&[], |asked| &asked.locals)
    }

    /// What a block asks for by these settings and cannot have in the transaction that is `open` (rule 30).
    ///
    /// What was not asked for never conflicts. An open transaction that did not ask has an isolation level that we do
    /// not know, so that every level asked for differs from it; it is taken to be read-write and not deferrable.
    pub(crate) fn conflicts_with(&self, open: &Self) -> Option<String> {
        let Requested { isolation, read_only, deferrable, locals: _, limits: _ } = self.0.as_deref()?;
        if let Some(level) = isolation.filter(|_| *isolation != open.isolation()) {
            let has = open.isolation().map_or("the server's default", Isolation::name);
            return Some(format!("isolation level {} was asked for, the open transaction has {has}", level.name()));
        }
        if let Some(asked) = read_only.filter(|asked| *asked != open.read_only().unwrap_or(false)) {
            let (asked, has) = if asked { ("read-only", "read-write") } else { ("read-write", "read-only") };
            return Some(format!("a {asked} transaction was asked for, the open one is {has}"));
        }
        if let Some(asked) = deferrable.filter(|asked| *asked != open.deferrable().unwrap_or(false)) {
            let (asked, has) = if asked { ("", " not") } else { ("not ", "") };
            return Some(format!("a transaction {asked}deferrable was asked for, the open one is{has}"));
        }
        None
    }

    /// These settings, and those of `others` that were not asked for here.
    #[must_use]
    pub(crate) fn or(self, others: &Self) -> Self {
        let Some(theirs) = &others.0 else { return self };
        let Some(ours) = self.0 else { return others.clone() };
        let Requested { isolation, read_only, deferrable, locals, limits } = Arc::unwrap_or_clone(ours);
        let is_own = |key: &str| locals.iter().any(|(own, _)| own.eq_ignore_ascii_case(key));
        let mut all: Vec<_> = theirs.locals.iter().filter(|(key, _)| !is_own(key)).cloned().collect();
        all.extend(locals);
        Self(Some(Arc::new(Requested {
            isolation: isolation.or(theirs.isolation),
            read_only: read_only.or(theirs.read_only),
            deferrable: deferrable.or(theirs.deferrable),
            locals: all,
            limits: limits.or_else(|| theirs.limits.clone()),
        })))
    }

    /// The value of a local setting, if it was asked for.
    pub(crate) fn local(&self, key: &str) -> Option<&str> {
        let found = self.locals().iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    }

    /// The local settings and the limits alone: what a nested block can have of its own.
    #[must_use]
    pub(crate) fn locals_alone(&self) -> Self {
        let alone = |asked: &Arc<Requested>| {
            let (locals, limits) = (asked.locals.clone(), asked.limits.clone());
            let has_some = !locals.is_empty() || limits.is_some();
            has_some.then(|| Arc::new(Requested { locals, limits, ..Requested::default() }))
        };
        Self(self.0.as_ref().and_then(alone))
    }
}

/// The settings of a nested block, which hold until it ends (rule 30).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Locals {
    /// How deep the block is: what was set before is kept under it.
    pub(crate) depth: u32,
    pub(crate) settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_taken_from_others_rule_55() {
        let others =
            Settings::default().with_isolation(Isolation::Serializable).with_local("a", "1").with_local("b", "1");
        assert_eq!(Settings::default().or(&others), others);
        assert_eq!(others.clone().or(&Settings::default()), others);
        let own =
            Settings::default().with_isolation(Isolation::ReadCommitted).with_read_only(true).with_local("A", "2");
        let merged = own.clone().or(&others);
        assert_eq!((merged.isolation(), merged.read_only()), (Some(Isolation::ReadCommitted), Some(true)));
        assert_eq!((merged.local("a"), merged.local("b")), (Some("2"), Some("1")));
        assert_eq!(merged.locals().len(), 2, "one value for each key");
        assert!(!format!("{:?}", Settings::default().with_local("key", "secret")).contains("secret"));
    }
}
