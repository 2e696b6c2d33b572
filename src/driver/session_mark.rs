//! [`SessionMark`]: what must be undone in a session before its next user gets it. Set by whatever changes the session,
//! and read when the connection is returned.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::sql::statement::SessionEffect;

/// The worst [`SessionEffect`] since the session was new.
#[derive(Debug, Default)]
pub(super) struct SessionMark(AtomicU8);

impl SessionMark {
    /// Notes what a statement leaves behind. It is called before the statement is sent: a statement that fails, or is
    /// dropped, may have taken effect.
    #[inline]
    pub(super) fn note(&self, effect: SessionEffect) {
        if effect != SessionEffect::None {
            self.0.fetch_max(effect as u8, Ordering::AcqRel);
        }
    }

    pub(super) fn get(&self) -> SessionEffect {
        [SessionEffect::None, SessionEffect::Reset]
            .into_iter()
            .find(|effect| *effect as u8 == self.0.load(Ordering::Acquire))
            .unwrap_or(SessionEffect::Discard)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != SessionEffect::None as u8
    }

    /// The session is as new.
    pub(super) fn clear(&self) {
        self.0.store(SessionEffect::None as u8, Ordering::Release);
    }
}
