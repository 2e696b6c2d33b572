//! The scope: a future that puts a context in place for each poll, and for its drop. It is all that binds a task to its
//! transaction.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use pin_project::{pin_project, pinned_drop};

use super::{Context, Session};

/// Where the current context of a thread is kept; `None` outside any scope.
pub(crate) type ThreadContext<S> = Cell<Option<Context<S>>>;

/// A session type with a thread local for its contexts, as a thread local cannot be generic.
pub(crate) trait TaskLocal: Session {
    /// Lends the thread local; `None` while the thread ends.
    fn with_thread_context<T>(lend: impl FnOnce(&ThreadContext<Self>) -> T) -> Option<T>;
}

/// Puts what is in `context` in place, and what was in place into `context`.
#[inline]
fn swap<S: TaskLocal>(context: &mut Option<Context<S>>) {
    // While a thread ends its locals may be gone already: then no code can run that needs a context.
    S::with_thread_context(|current| *context = current.replace(context.take()));
}

/// A context in place, until this is dropped. The context around is kept where it comes from.
pub(crate) struct Entered<'c, S: TaskLocal>(&'c mut Option<Context<S>>);

impl<'c, S: TaskLocal> Entered<'c, S> {
    /// Puts `context` in place; it comes back when the guard is dropped, by a panic too.
    #[inline]
    pub(crate) fn new(context: &'c mut Option<Context<S>>) -> Self {
        swap(context);
        Self(context)
    }
}

impl<S: TaskLocal> Drop for Entered<'_, S> {
    #[inline]
    fn drop(&mut self) {
        swap(self.0);
    }
}

impl<S: TaskLocal> fmt::Debug for Entered<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// The future of a scope.
#[pin_project(project = BodyProjection)]
enum Body<F, M> {
    /// To be made by the first poll.
    Unmade(Option<M>),
    Made(#[pin] F),
    /// Ended and dropped.
    Gone,
}

/// A future with a context of its own, which may be made inside it.
#[pin_project(PinnedDrop)]
pub(crate) struct Scope<F, S: TaskLocal, M = fn() -> F> {
    #[pin]
    body: Body<F, M>,
    context: Option<Context<S>>,
}

impl<F, S: TaskLocal> Scope<F, S> {
    #[inline]
    pub(crate) fn new(context: Context<S>, body: F) -> Self {
        Self { body: Body::Made(body), context: Some(context) }
    }

    /// As [`new`](Self::new), with a body that is made inside the context already.
    #[cfg(any(feature = "tower", test))]
    #[inline]
    pub(crate) fn make(context: Context<S>, body: impl FnOnce() -> F) -> Self {
        let mut context = Some(context);
        let body = {
            let _entered = Entered::new(&mut context);
            body()
        };
        Self { body: Body::Made(body), context }
    }
}

impl<F, S: TaskLocal, M: FnOnce() -> F> Scope<F, S, M> {
    /// As [`make`](Scope::make), but the body is made by the first poll: that way the context is put in place once.
    #[inline]
    pub(crate) fn lazy(context: Context<S>, body: M) -> Self {
        Self { body: Body::Unmade(Some(body)), context: Some(context) }
    }
}

impl<F, S: TaskLocal, M> Scope<F, S, M> {
    /// Drops the body ahead of the scope, with its context in place.
    #[inline]
    pub(crate) fn drop_body(self: Pin<&mut Self>) {
        let mut this = self.project();
        // Nearly always it has ended already.
        if !matches!(*this.body, Body::Gone) {
            let _entered = Entered::new(this.context);
            this.body.set(Body::Gone);
        }
    }

    /// Changes the context before the first poll.
    #[must_use]
    pub(crate) fn with_context(mut self, change: impl FnOnce(Context<S>) -> Context<S>) -> Self {
        self.context = self.context.take().map(change);
        self
    }
}

const ENDED: &str = "a scope is not polled after it was ready";

impl<F: Future, S: TaskLocal, M: FnOnce() -> F> Future for Scope<F, S, M> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = Entered::new(this.context);
        if let BodyProjection::Unmade(make) = this.body.as_mut().project() {
            let make = make.take().expect(ENDED);
            this.body.set(Body::Made(make()));
        }
        let BodyProjection::Made(body) = this.body.as_mut().project() else { panic!("{ENDED}") };
        let out = body.poll(cx);
        if out.is_ready() {
            // The body is dropped while its context is still in place: its own drops may need it.
            this.body.set(Body::Gone);
        }
        out
    }
}

#[pinned_drop]
impl<F, S: TaskLocal, M> PinnedDrop for Scope<F, S, M> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        self.drop_body();
    }
}

impl<F, S: TaskLocal, M> fmt::Debug for Scope<F, S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
