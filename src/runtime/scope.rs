//! The scope: a future that puts a context in place for each poll, and while it is dropped. It is all that binds a task
//! to its transaction; where the context is kept is the caller's affair, given as a slot.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    thread::LocalKey,
};

use pin_project::{pin_project, pinned_drop};

use super::{Context, Session};

/// Where the current context is kept; `None` outside any scope.
pub(crate) type Slot<S> = &'static LocalKey<Cell<Option<Context<S>>>>;

/// A context in place, until this is dropped.
pub(crate) struct Entered<'c, S: Session> {
    slot: Slot<S>,
    /// Where the context goes back to.
    home: &'c mut Option<Context<S>>,
    /// What was in place before.
    outside: Option<Context<S>>,
}

impl<'c, S: Session> Entered<'c, S> {
    /// Puts `context` in place; it comes back when the guard is dropped, by a panic too.
    pub(crate) fn new(slot: Slot<S>, context: &'c mut Option<Context<S>>) -> Self {
        let inside = context.take();
        // While a thread ends its locals may be gone already: then nothing can run that would look for a context.
        let outside = slot.try_with(|cell| cell.replace(inside)).ok().flatten();
        Self { slot, home: context, outside }
    }
}

impl<S: Session> Drop for Entered<'_, S> {
    fn drop(&mut self) {
        let outside = self.outside.take();
        *self.home = self.slot.try_with(|cell| cell.replace(outside)).ok().flatten();
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
    slot: Slot<S>,
}

impl<F, S: Session> Scope<F, S> {
    pub(crate) fn new(slot: Slot<S>, context: Context<S>, body: F) -> Self {
        Self { body: Some(body), context: Some(context), slot }
    }

    /// As [`new`](Self::new), with a body that is made inside the context already.
    pub(crate) fn make(slot: Slot<S>, context: Context<S>, body: impl FnOnce() -> F) -> Self {
        let mut context = Some(context);
        let body = {
            let _entered = Entered::new(slot, &mut context);
            body()
        };
        Self { body: Some(body), context, slot }
    }
}

impl<F: Future, S: Session> Future for Scope<F, S> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = Entered::new(*this.slot, this.context);
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
        let _entered = Entered::new(*this.slot, this.context);
        this.body.set(None);
    }
}

impl<F, S: Session> fmt::Debug for Scope<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
