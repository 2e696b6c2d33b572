//! The scope: a future that puts a context in place for each poll, and while it is dropped. It is all that binds a task
//! to its transaction; where the context is kept is the affair of the session's type.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use pin_project::{pin_project, pinned_drop};

use super::{Context, Session};

/// Where the current context of a thread is kept; `None` outside any scope.
pub(crate) type Slot<S> = Cell<Option<Context<S>>>;

/// Puts `context` in place, and gives what was there.
#[inline]
fn replace<S: Session>(context: Option<Context<S>>) -> Option<Context<S>> {
    // While a thread ends its locals may be gone already: then nothing can run that would look for a context.
    S::with_slot(|slot| slot.replace(context)).flatten()
}

/// A context in place, until this is dropped.
pub(crate) struct Entered<'c, S: Session> {
    /// Where the context goes back to.
    home: &'c mut Option<Context<S>>,
    /// What was in place before.
    outside: Option<Context<S>>,
}

impl<'c, S: Session> Entered<'c, S> {
    /// Puts `context` in place; it comes back when the guard is dropped, by a panic too.
    #[inline]
    pub(crate) fn new(context: &'c mut Option<Context<S>>) -> Self {
        let outside = replace(context.take());
        Self { home: context, outside }
    }
}

impl<S: Session> Drop for Entered<'_, S> {
    #[inline]
    fn drop(&mut self) {
        *self.home = replace(self.outside.take());
    }
}

impl<S: Session> fmt::Debug for Entered<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// A future with a context of its own.
#[pin_project(PinnedDrop)]
pub(crate) struct Scope<F, S: Session> {
    #[pin]
    body: Option<F>,
    context: Option<Context<S>>,
}

impl<F, S: Session> Scope<F, S> {
    #[inline]
    pub(crate) fn new(context: Context<S>, body: F) -> Self {
        Self { body: Some(body), context: Some(context) }
    }

    /// As [`new`](Self::new), with a body that is made inside the context already.
    #[inline]
    pub(crate) fn make(context: Context<S>, body: impl FnOnce() -> F) -> Self {
        let mut context = Some(context);
        let body = {
            let _entered = Entered::new(&mut context);
            body()
        };
        Self { body: Some(body), context }
    }
}

impl<F: Future, S: Session> Future for Scope<F, S> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = Entered::new(this.context);
        let body = this.body.as_mut().as_pin_mut().expect("a scope is not polled after it was ready");
        let out = body.poll(cx);
        if out.is_ready() {
            // The body goes while its context is still in place: its own drops may look for it.
            this.body.set(None);
        }
        out
    }
}

#[pinned_drop]
impl<F, S: Session> PinnedDrop for Scope<F, S> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        // Nearly always it has ended, and is gone already.
        if this.body.is_some() {
            let _entered = Entered::new(this.context);
            this.body.set(None);
        }
    }
}

impl<F, S: Session> fmt::Debug for Scope<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
