//! The stage: at most one item out for each item in.
//!
//! A stage runs where its upstream runs, holds no queue and shares nothing. Its operator is a
//! [`Step`]: what becomes of an item, of demand, of the end. Everything else is here, once: the
//! answer to a skipped item, the end of downstream when the stage finishes early, items that
//! must be held past the end of upstream until there is demand for them.
//!
//! ```text
//!  on_next(item) ─▶ Step::next ─▶ Item ─▶ downstream.on_next ─▶ its answer ─▶ Step::demand ─▶ up
//!                              ├▶ Skip ─▶ one more for upstream: the slot is still free
//!                              ├▶ Keep, Discard ─▶ nothing more: it was counted when asked for
//!                              ├▶ Ready ─▶ what Step::first gives, while there is demand
//!                              └▶ Last, Stop, Complete, Error ─▶ upstream is cancelled, then
//!                                                                downstream is told the end
//! ```

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::emission::Emission;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Discards, End, Fault, More, Panic, Publisher, Pull,
    Pulled, Rest, Subscriber, Subscription, Supply,
};

/// What becomes of one item of upstream.
#[derive(Debug)]
pub enum Emit<O, T, E> {
    /// This goes downstream.
    Item(O),
    /// Nothing goes downstream; the item is discarded, and upstream is asked for another.
    Skip(T),
    /// Nothing goes downstream; the item is discarded. Upstream is not asked for another, since
    /// [`Step::demand`] asked for this one beyond what downstream wants.
    Discard(T),
    /// Nothing goes downstream yet: the item is kept, or merged into something kept. Upstream is
    /// not asked for another, since [`Step::demand`] asked for all that are needed.
    Keep,
    /// As [`Keep`](Emit::Keep), but upstream is asked for another.
    KeepAsking,
    /// The step [holds](Step::HOLDS) what goes downstream now, perhaps more than one: it is asked
    /// for it by [`first`](Step::first), as far as there is demand. The item, where it is given
    /// back, is discarded.
    Ready(Option<T>),
    /// This goes downstream, and is the last: upstream is cancelled, downstream completes.
    Last(O),
    /// The item is discarded, upstream is cancelled, downstream completes.
    Stop(T),
    /// Upstream is cancelled, downstream completes.
    Complete,
    /// Upstream is cancelled, downstream fails.
    Error(E),
    /// The item is discarded, upstream is cancelled, downstream fails.
    Reject(T, E),
}

/// An operator with at most one item out for each item in.
///
/// The methods are called serially. A panic in any of them ends the stream with a fault.
pub trait Step<T, E>: Send + 'static {
    /// What goes downstream.
    type Item: Send + 'static;
    /// How downstream is told of a failure.
    type Error: Send + 'static;

    /// What the stage keeps beside the step: [`NoBooks`] where each item gives exactly one
    /// ([`Emit::Item`] always), else [`Books`].
    type Books: Bookkeeping<Self::Error>;

    /// Whether there can be items that do not answer an item of upstream: from
    /// [`first`](Step::first), or from [`complete`](Step::complete) and [`error`](Step::error).
    /// Downstream's demand is counted then.
    const HOLDS: bool = false;

    /// Whether it works where its publisher is pulled instead of subscribed to: no demand and no
    /// fault passes it there.
    const PULLS: bool = true;

    /// Somebody subscribes: called once, before anything else. A step that was never subscribed
    /// is a blueprint.
    fn subscribed(&mut self) {}

    /// What becomes of an item.
    fn next(&mut self, item: T) -> Emit<Self::Item, T, Self::Error>;

    /// What demand of downstream becomes upstream. Called with [`More::NONE`] once before the
    /// first item, and whenever downstream answers so. [`More::CANCEL`] completes downstream.
    /// Not called with [`More::CANCEL`] or [`More::YIELD`], which pass.
    #[inline]
    fn demand(&mut self, more: More) -> More {
        more
    }

    /// An item to send before any further one of upstream's, once there is demand: at the
    /// beginning, and what is left after an [`Emit::Ready`]; asked until there is none. Its unit
    /// of demand must be taken off in [`demand`](Step::demand).
    fn first(&mut self) -> Option<Self::Item> {
        None
    }

    /// Upstream is complete. An item given here is sent as soon as there is demand, and this is
    /// called again for the next.
    fn complete(&mut self) -> Pulled<Self::Item, Self::Error> {
        Pulled::Complete
    }

    /// Upstream failed. An item given here is sent as soon as there is demand, and then
    /// [`complete`](Step::complete) is called for the next.
    fn error(&mut self, error: E) -> Pulled<Self::Item, Self::Error>;

    /// Gives up an item of upstream that it holds: called until there is none, when the stage
    /// goes away and somebody wants to know of discarded items.
    fn held(&mut self) -> Option<T> {
        None
    }

    /// A stage further down wants no more items and ends the stream itself, for `cause`. Not called
    /// where the stream is cancelled from outside: then the step is just dropped, and a destructor
    /// finds the cause beside it ([`millstream_blocks::cause::current`]).
    fn cancelled(&mut self, cause: &Cause) {
        let _ = cause;
    }

    /// A fault on its way down.
    fn fault(&mut self, fault: Fault) -> Fault {
        fault
    }

    /// What upstream is told of its surroundings, given what downstream says.
    fn context(&self, downstream: Context) -> Context {
        downstream
    }
}

/// A [`Step`] that has to do with items only: failures pass it as they are.
///
/// Most operators are one. To know its items the compiler need not know how upstream fails, which
/// makes the proof that a long chain is a publisher a line instead of a tree: fifty stages compile
/// in half the time. The methods are those of [`Step`], for any error.
pub trait ItemStep<T>: Send + 'static {
    /// As [`Step::Item`].
    type Item: Send + 'static;

    /// As [`Step::Books`].
    type Books<E: Send + 'static>: Bookkeeping<E>;

    /// As [`Step::HOLDS`].
    const HOLDS: bool = false;

    /// As [`Step::PULLS`].
    const PULLS: bool = true;

    /// As [`Step::subscribed`].
    fn subscribed(&mut self) {}

    /// As [`Step::next`].
    fn next<E>(&mut self, item: T) -> Emit<Self::Item, T, E>;

    /// As [`Step::demand`].
    #[inline]
    fn demand(&mut self, more: More) -> More {
        more
    }

    /// As [`Step::first`].
    fn first(&mut self) -> Option<Self::Item> {
        None
    }

    /// As [`Step::complete`].
    fn complete<E>(&mut self) -> Pulled<Self::Item, E> {
        Pulled::Complete
    }

    /// As [`Step::held`].
    fn held(&mut self) -> Option<T> {
        None
    }

    /// As [`Step::cancelled`].
    fn cancelled(&mut self, cause: &Cause) {
        let _ = cause;
    }

    /// As [`Step::fault`].
    fn fault(&mut self, fault: Fault) -> Fault {
        fault
    }

    /// As [`Step::context`].
    fn context(&self, downstream: Context) -> Context {
        downstream
    }
}

/// An [`ItemStep`] as a [`Step`].
struct OfItems<O>(O);

impl<T, E, O> Step<T, E> for OfItems<O>
where
    T: Send + 'static,
    E: Send + 'static,
    O: ItemStep<T>,
{
    type Item = O::Item;
    type Error = E;
    type Books = O::Books<E>;
    const HOLDS: bool = O::HOLDS;
    const PULLS: bool = O::PULLS;

    #[inline]
    fn subscribed(&mut self) {
        self.0.subscribed();
    }

    #[inline(always)]
    fn next(&mut self, item: T) -> Emit<O::Item, T, E> {
        self.0.next(item)
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        self.0.demand(more)
    }

    #[inline]
    fn first(&mut self) -> Option<O::Item> {
        self.0.first()
    }

    #[inline]
    fn complete(&mut self) -> Pulled<O::Item, E> {
        self.0.complete()
    }

    #[inline]
    fn error(&mut self, error: E) -> Pulled<O::Item, E> {
        Pulled::Error(error)
    }

    #[inline]
    fn held(&mut self) -> Option<T> {
        self.0.held()
    }

    #[inline]
    fn cancelled(&mut self, cause: &Cause) {
        self.0.cancelled(cause);
    }

    #[inline]
    fn fault(&mut self, fault: Fault) -> Fault {
        self.0.fault(fault)
    }

    #[inline]
    fn context(&self, downstream: Context) -> Context {
        self.0.context(downstream)
    }
}

/// What a stage keeps beside its step. A trait so that a stage that needs nothing is as small as
/// its step: a chain is moved when it starts and when it ends.
pub trait Bookkeeping<F>: Send + 'static {
    /// Whether anything is kept.
    const KEPT: bool;
    /// At the beginning.
    fn open(discards: Discards) -> Self;
    /// Who is told of discarded items.
    fn discards(&self) -> Option<&Discards>;
    /// The stage ends downstream.
    fn finish(&mut self, finish: Finish<F>);
    /// How, if it does.
    fn finished(&mut self) -> Option<Finish<F>>;
    /// Why upstream is cancelled then.
    fn cause(&self) -> Option<Cause>;
    /// Downstream's demand that is not used up.
    fn owed(&mut self) -> Option<&mut Owed>;
}

/// The ends that a stage can bring about itself.
#[derive(Debug)]
pub enum Finish<F> {
    /// Downstream completes.
    Completed,
    /// Downstream fails.
    Failed(F),
}

impl<F> From<Finish<F>> for End<F> {
    fn from(finish: Finish<F>) -> End<F> {
        match finish {
            Finish::Completed => End::Completed,
            Finish::Failed(error) => End::Failed(error),
        }
    }
}

/// Downstream's demand, as a step that [holds](Step::HOLDS) items needs to know it.
#[derive(Debug, Default)]
pub struct Owed {
    credit: Credit,
    /// Demand to be asked from upstream as soon as downstream has stopped yielding.
    withheld: Credit,
}

/// Nothing: the stage never skips, ends or holds.
#[derive(Debug)]
pub struct NoBooks;

impl<F> Bookkeeping<F> for NoBooks {
    const KEPT: bool = false;

    #[inline]
    fn open(_: Discards) -> NoBooks {
        NoBooks
    }

    #[inline]
    fn discards(&self) -> Option<&Discards> {
        None
    }

    fn finish(&mut self, _: Finish<F>) {
        unreachable!("a step that ends by itself keeps `Books`");
    }

    #[inline]
    fn finished(&mut self) -> Option<Finish<F>> {
        None
    }

    #[inline]
    fn cause(&self) -> Option<Cause> {
        None
    }

    #[inline]
    fn owed(&mut self) -> Option<&mut Owed> {
        None
    }
}

/// Everything a stage can need.
#[derive(Debug)]
pub struct Books<F> {
    discards: Discards,
    finish: Option<Finish<F>>,
    owed: Owed,
}

impl<F: Send + 'static> Bookkeeping<F> for Books<F> {
    const KEPT: bool = true;

    #[inline]
    fn open(discards: Discards) -> Books<F> {
        Books { discards, finish: None, owed: Owed::default() }
    }

    #[inline]
    fn discards(&self) -> Option<&Discards> {
        Some(&self.discards)
    }

    fn finish(&mut self, finish: Finish<F>) {
        self.finish = Some(finish);
    }

    #[inline]
    fn finished(&mut self) -> Option<Finish<F>> {
        self.finish.take()
    }

    fn cause(&self) -> Option<Cause> {
        self.finish.as_ref().map(|finish| match finish {
            Finish::Completed => Cause::NoMoreNeeded,
            Finish::Failed(_) => Cause::Failed,
        })
    }

    #[inline]
    fn owed(&mut self) -> Option<&mut Owed> {
        Some(&mut self.owed)
    }
}

/// A publisher with a [`Step`] after it.
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Stage<P, O> {
    upstream: P,
    step: O,
}

impl<P, O> Stage<P, O> {
    /// `step` after `upstream`.
    pub fn new(upstream: P, step: O) -> Stage<P, O> {
        Stage { upstream, step }
    }
}

impl<P, O: fmt::Debug> fmt::Debug for Stage<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stage").field(&self.step).finish()
    }
}

impl<P, O> Publisher for Stage<P, O>
where
    P: Publisher,
    O: Step<P::Item, P::Error>,
{
    type Item = O::Item;
    type Error = O::Error;
    const PULLS: bool = P::PULLS && O::PULLS;
    const MAY_PULL: bool = P::MAY_PULL && O::PULLS;
    const HOSTED: bool = P::HOSTED && O::PULLS;

    #[inline]
    fn pulls(&self) -> bool {
        O::PULLS && self.upstream.pulls()
    }

    #[inline]
    fn subscribe<S: Subscriber<O::Item, O::Error>>(self, downstream: S) {
        self.upstream.subscribe(StageSubscriber { step: self.step, downstream });
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = O::Item, Error = O::Error>, Self> {
        if !O::PULLS {
            return Err(self);
        }
        match self.upstream.into_pull(self.step.context(context.clone())) {
            Ok(producer) => Ok(StagePull::new(producer, self.step, &context)),
            Err(upstream) => Err(Stage { upstream, step: self.step }),
        }
    }
}

/// A publisher with an [`ItemStep`] after it.
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ItemStage<P, O> {
    upstream: P,
    step: O,
}

impl<P, O> ItemStage<P, O> {
    /// `step` after `upstream`.
    pub fn new(upstream: P, step: O) -> ItemStage<P, O> {
        ItemStage { upstream, step }
    }
}

impl<P, O: fmt::Debug> fmt::Debug for ItemStage<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stage").field(&self.step).finish()
    }
}

// No bound here may name `P::Error`: see `ItemStep`.
impl<P, O> Publisher for ItemStage<P, O>
where
    P: Publisher,
    O: ItemStep<P::Item>,
{
    type Item = O::Item;
    type Error = P::Error;
    const PULLS: bool = P::PULLS && O::PULLS;
    const MAY_PULL: bool = P::MAY_PULL && O::PULLS;
    const HOSTED: bool = P::HOSTED && O::PULLS;

    #[inline]
    fn pulls(&self) -> bool {
        O::PULLS && self.upstream.pulls()
    }

    #[inline]
    fn subscribe<S: Subscriber<O::Item, P::Error>>(self, downstream: S) {
        self.upstream.subscribe(StageSubscriber { step: OfItems(self.step), downstream });
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = O::Item, Error = P::Error>, Self> {
        if !O::PULLS {
            return Err(self);
        }
        match self.upstream.into_pull(self.step.context(context.clone())) {
            Ok(producer) => Ok(StagePull::new(producer, OfItems(self.step), &context)),
            Err(upstream) => Err(ItemStage { upstream, step: self.step }),
        }
    }
}

struct StageSubscriber<O, S> {
    step: O,
    downstream: S,
}

impl<T, E, O, S> Subscriber<T, E> for StageSubscriber<O, S>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Step<T, E>,
    S: Subscriber<O::Item, O::Error>,
{
    type Active = ActiveStage<T, E, O, S::Active>;

    #[inline]
    fn on_subscribe(mut self, subscription: Subscription) -> Self::Active {
        tell_subscribed(&mut self.step, &subscription);
        // Only asked where somebody may have to be told.
        let context = if O::Books::KEPT { self.downstream.context() } else { Context::default() };
        ActiveStage {
            keeper: Keeper {
                step: self.step,
                books: O::Books::open(context.discards().clone()),
                marker: PhantomData,
            },
            downstream: self.downstream.on_subscribe(subscription),
        }
    }

    fn context(&self) -> Context {
        self.step.context(self.downstream.context())
    }
}

/// Tells a step that somebody subscribes. A panic is told to downstream, once it is subscribed.
#[inline]
fn tell_subscribed<T, E, O: Step<T, E>>(step: &mut O, subscription: &Subscription) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| step.subscribed())) {
        subscription.fail(Fault::Panicked(Panic::new(payload)));
    }
}

/// The step and its books, and what becomes of the items it holds when it goes away.
struct Keeper<T: 'static, E, O: Step<T, E>> {
    step: O,
    books: O::Books,
    marker: PhantomData<fn(T, E)>,
}

impl<T: 'static, E, O: Step<T, E>> Keeper<T, E, O> {
    #[inline]
    fn discard(&self, item: T) {
        if let Some(discards) = self.books.discards() {
            discards.discard(item);
        }
    }

    /// How downstream ends, or an item that goes before.
    #[inline]
    fn end(&mut self, end: End<E>) -> Result<End<O::Error>, O::Item> {
        if let Some(finish) = self.books.finished() {
            return Ok(finish.into());
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let given = match end {
                End::Completed => self.step.complete(),
                End::Failed(error) => self.step.error(error),
                End::Cancelled(cause) => {
                    self.step.cancelled(&cause);
                    return Ok(End::Cancelled(cause));
                }
                End::Fault(fault) => return Ok(End::Fault(self.step.fault(fault))),
            };
            match given {
                Pulled::Error(error) => Ok(End::Failed(error)),
                Pulled::Item(item) => Err(item),
                Pulled::Complete | Pulled::Pending | Pulled::Skipped => Ok(End::Completed),
            }
        }));
        match ended {
            Ok(ended) => ended,
            Err(payload) => Ok(panicked(payload)),
        }
    }
}

impl<T: 'static, E, O: Step<T, E>> Drop for Keeper<T, E, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(discards) = self.books.discards()
            && !discards.is_none()
        {
            while let Some(item) = self.step.held() {
                discards.discard(item);
            }
        }
    }
}

struct ActiveStage<T: 'static, E, O: Step<T, E>, A> {
    // Before the keeper: dropped in the order in which an end passes.
    downstream: A,
    keeper: Keeper<T, E, O>,
}

impl<T, E, O, A> ActiveStage<T, E, O, A>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Step<T, E>,
    A: ActiveSubscriber<O::Item, O::Error>,
{
    #[inline]
    fn send(&mut self, item: O::Item) -> More {
        const { assert!(O::Books::KEPT || !O::HOLDS, "a step that holds items keeps `Books`") };
        if O::HOLDS
            && let Some(owed) = self.keeper.books.owed()
        {
            owed.credit.spend();
        }
        let answer = self.downstream.on_next(item);
        if O::HOLDS
            && let Some(owed) = self.keeper.books.owed()
        {
            owed.credit.add(answer);
        }
        answer
    }

    #[inline]
    fn ask(&mut self, answer: More) -> More {
        if answer.is_special() {
            return answer;
        }
        let more = self.keeper.step.demand(answer);
        if more.is_cancel() {
            return self.stop(Finish::Completed);
        }
        more
    }

    #[cold]
    fn stop(&mut self, finish: Finish<O::Error>) -> More {
        self.keeper.books.finish(finish);
        More::CANCEL
    }

    /// Notes downstream's demand, sends what comes before upstream's items as far as it goes,
    /// and answers with the demand that came in all.
    fn send_first(&mut self, answer: More) -> More {
        let Some(owed) = self.keeper.books.owed() else { return answer };
        if answer.is_special() {
            return answer;
        }
        owed.credit.add(answer);
        let total = owed.withheld.take().plus(answer);
        self.send_ready(total)
    }

    /// Sends what the step holds for now as far as downstream's demand goes, and answers with
    /// the demand that came meanwhile and `total`.
    fn send_ready(&mut self, mut total: More) -> More {
        while !total.is_special()
            && self.keeper.books.owed().is_some_and(|owed| !owed.credit.is_empty())
            && let Some(item) = self.keeper.step.first()
        {
            let before = total;
            total = total.plus(self.send(item));
            if total.is_yield()
                && let Some(owed) = self.keeper.books.owed()
            {
                owed.withheld.add(before);
            }
        }
        total
    }
}

impl<T, E, O, A> ActiveSubscriber<T, E> for ActiveStage<T, E, O, A>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Step<T, E>,
    A: ActiveSubscriber<O::Item, O::Error>,
{
    const KEEPS_ITEMS: bool = O::HOLDS || A::KEEPS_ITEMS;

    // Always: once per item and stage. With one stage that does more than a line of code the
    // compiler makes it a call, which costs as much as the stage.
    #[inline(always)]
    fn on_next(&mut self, item: T) -> More {
        match self.keeper.step.next(item) {
            Emit::Item(item) => {
                let answer = self.send(item);
                self.ask(answer)
            }
            Emit::Skip(item) => {
                self.keeper.discard(item);
                More::ONE
            }
            Emit::Discard(item) => {
                self.keeper.discard(item);
                More::NONE
            }
            Emit::Keep => More::NONE,
            Emit::KeepAsking => More::ONE,
            Emit::Ready(item) => {
                if let Some(item) = item {
                    self.keeper.discard(item);
                }
                if !O::HOLDS {
                    unreachable!("a step that has items ready must say so by `HOLDS`");
                }
                let answer = self.send_ready(More::NONE);
                self.ask(answer)
            }
            Emit::Last(item) => {
                // Where downstream has ended itself, there is nobody to complete.
                if self.send(item).is_cancel() {
                    return More::CANCEL;
                }
                self.stop(Finish::Completed)
            }
            Emit::Stop(item) => {
                self.keeper.discard(item);
                self.stop(Finish::Completed)
            }
            Emit::Complete => self.stop(Finish::Completed),
            Emit::Error(error) => self.stop(Finish::Failed(error)),
            Emit::Reject(item, error) => {
                self.keeper.discard(item);
                self.stop(Finish::Failed(error))
            }
        }
    }

    #[inline]
    fn on_request(&mut self, more: More) -> More {
        let mut answer = self.downstream.on_request(more);
        if O::HOLDS {
            answer = self.send_first(answer);
        }
        self.ask(answer)
    }

    fn cause(&self) -> Cause {
        match self.keeper.books.cause() {
            Some(cause) => cause,
            None => self.downstream.cause(),
        }
    }

    // The fields are moved out one by one: taking the stage apart first would copy the whole
    // chain below it, at each stage. And only steps that hold items may name `Tail` here: a
    // second way down for every stage would double the code of the end at each.
    #[inline]
    fn on_end(mut self, end: End<E>) -> Option<Box<dyn Rest>> {
        let end = match self.keeper.end(end) {
            Ok(end) => end,
            Err(item) => {
                if O::HOLDS {
                    let owed = self.keeper.books.owed().map_or(Credit::NONE, |owed| owed.credit);
                    let tail = Tail { keeper: self.keeper, ahead: Some(item) };
                    return Emission::resumed(tail, self.downstream, owed, None).run_within(64);
                }
                unreachable!("a step that gives items at the end must say so by `HOLDS`");
            }
        };
        // The step goes after downstream has been told: `finally` and `using` act then.
        self.downstream.on_end(end)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }
}

pub(crate) fn panicked<E>(payload: Box<dyn Any + Send>) -> End<E> {
    End::Fault(Fault::Panicked(Panic::new(payload)))
}

/// What a step gives after the end of upstream.
struct Tail<T: 'static, E, O: Step<T, E>> {
    keeper: Keeper<T, E, O>,
    /// The next item, where it was taken to find out whether there is one.
    ahead: Option<O::Item>,
}

impl<T: Send + 'static, E: Send + 'static, O: Step<T, E>> Pull for Tail<T, E, O> {
    type Item = O::Item;
    type Error = O::Error;

    fn pull(&mut self) -> Pulled<O::Item, O::Error> {
        match self.ahead.take() {
            Some(item) => Pulled::Item(item),
            None => self.keeper.step.complete(),
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<O::Item, O::Error> {
        if self.ahead.is_none() {
            match self.keeper.step.complete() {
                // Kept here, where it is discarded if it is never asked for.
                Pulled::Item(item) => self.ahead = Some(item),
                other => return other,
            }
        }
        Pulled::Pending
    }
}

impl<T: 'static, E, O: Step<T, E>> Drop for Tail<T, E, O> {
    fn drop(&mut self) {
        if let Some(item) = self.ahead.take()
            && let Some(discards) = self.keeper.books.discards()
        {
            discards.discard(item);
        }
    }
}

/// A stage over a source that is pulled: for stages that hold a whole publisher in place.
struct StagePull<P: Pull, O: Step<P::Item, P::Error>> {
    producer: P,
    keeper: Keeper<P::Item, P::Error, O>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    /// The step may have items that come before those of upstream.
    First,
    /// As `First`, in the middle.
    Ready,
    Running,
    /// Upstream has ended, the step may still hold items.
    Tail,
    /// The step has sent its last.
    Over,
}

impl<P, O> StagePull<P, O>
where
    P: Pull,
    O: Step<P::Item, P::Error>,
{
    fn new(producer: P, step: O, context: &Context) -> StagePull<P, O> {
        // Only asked where somebody may have to be told.
        let discards =
            if O::Books::KEPT { context.discards().clone() } else { Discards::default() };
        let keeper = Keeper { step, books: O::Books::open(discards), marker: PhantomData };
        StagePull { producer, keeper, phase: Phase::Fresh }
    }

    fn digest(&mut self, pulled: Pulled<P::Item, P::Error>) -> Pulled<O::Item, O::Error> {
        match pulled {
            Pulled::Item(item) => match self.keeper.step.next(item) {
                Emit::Item(item) => Pulled::Item(item),
                Emit::Skip(item) | Emit::Discard(item) => {
                    self.keeper.discard(item);
                    Pulled::Skipped
                }
                Emit::Keep | Emit::KeepAsking => Pulled::Skipped,
                Emit::Ready(item) => {
                    if let Some(item) = item {
                        self.keeper.discard(item);
                    }
                    self.phase = Phase::Ready;
                    Pulled::Skipped
                }
                Emit::Last(item) => {
                    self.phase = Phase::Over;
                    Pulled::Item(item)
                }
                Emit::Stop(item) => {
                    self.keeper.discard(item);
                    Pulled::Complete
                }
                Emit::Complete => Pulled::Complete,
                Emit::Error(error) => Pulled::Error(error),
                Emit::Reject(item, error) => {
                    self.keeper.discard(item);
                    Pulled::Error(error)
                }
            },
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => {
                self.phase = Phase::Tail;
                self.keeper.step.complete()
            }
            Pulled::Error(error) => {
                self.phase = Phase::Tail;
                self.keeper.step.error(error)
            }
        }
    }

    #[cold]
    fn begin(&mut self) -> Pulled<O::Item, O::Error> {
        self.keeper.step.subscribed();
        // A step may be complete before the first item (`take(0)`).
        if self.keeper.step.demand(More::NONE).is_cancel() {
            self.phase = Phase::Over;
            return Pulled::Complete;
        }
        self.phase = Phase::First;
        Pulled::Skipped
    }
}

/// An item in a loop of the source: whether that goes on, and else why not.
#[inline(always)]
fn one_of_many<T, E, O>(
    keeper: &mut Keeper<T, E, O>,
    phase: &mut Phase,
    item: T,
    stopped: &mut Pulled<O::Item, O::Error>,
    each: &mut impl FnMut(O::Item) -> bool,
) -> bool
where
    T: Send + 'static,
    E: Send + 'static,
    O: Step<T, E>,
{
    match keeper.step.next(item) {
        Emit::Item(item) => return each(item),
        Emit::Skip(item) | Emit::Discard(item) => keeper.discard(item),
        Emit::Keep | Emit::KeepAsking => {}
        Emit::Ready(item) => {
            if let Some(item) = item {
                keeper.discard(item);
            }
            *phase = Phase::Ready;
        }
        Emit::Last(item) => {
            *phase = Phase::Over;
            if each(item) {
                *stopped = Pulled::Complete;
            }
        }
        Emit::Stop(item) => {
            keeper.discard(item);
            *stopped = Pulled::Complete;
        }
        Emit::Complete => *stopped = Pulled::Complete,
        Emit::Error(error) => *stopped = Pulled::Error(error),
        Emit::Reject(item, error) => {
            keeper.discard(item);
            *stopped = Pulled::Error(error);
        }
    }
    false
}

impl<P, O> Pull for StagePull<P, O>
where
    P: Pull,
    O: Step<P::Item, P::Error>,
{
    type Item = O::Item;
    type Error = O::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<O::Item, O::Error> {
        loop {
            match self.phase {
                Phase::Running => {
                    let pulled = self.producer.pull();
                    return self.digest(pulled);
                }
                Phase::Fresh => match self.begin() {
                    Pulled::Skipped => {}
                    other => return other,
                },
                Phase::First | Phase::Ready => match self.keeper.step.first() {
                    Some(item) if O::HOLDS => return Pulled::Item(item),
                    _ => self.phase = Phase::Running,
                },
                Phase::Tail => return self.keeper.step.complete(),
                Phase::Over => return Pulled::Complete,
            }
        }
    }

    // The loop of the source, with the step inside: what `pull` looks at for each item is settled
    // before. Where the step takes an item and gives none it is left, so that whoever runs it can
    // look for a cancellation.
    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(O::Item) -> bool) -> Pulled<O::Item, O::Error> {
        loop {
            let pulled = if self.phase == Phase::Running {
                let StagePull { producer, keeper, phase } = self;
                let mut stopped = Pulled::Skipped;
                let pulled = producer
                    .pull_while(|item| one_of_many(keeper, phase, item, &mut stopped, &mut each));
                match pulled {
                    Pulled::Skipped => return stopped,
                    other => self.digest(other),
                }
            } else {
                self.pull()
            };
            match pulled {
                Pulled::Item(item) => {
                    if !each(item) {
                        return Pulled::Skipped;
                    }
                }
                other => return other,
            }
        }
    }

    /// A step that has items of its own to give first takes none that is handed.
    #[inline]
    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        mut each: impl FnMut(O::Item) -> bool,
    ) -> Pulled<O::Item, O::Error> {
        if self.phase != Phase::Running {
            return Pulled::Pending;
        }
        let StagePull { producer, keeper, phase } = self;
        let mut stopped = Pulled::Skipped;
        let pulled = producer.pull_handed(to, supply, |item| {
            let mut enough = false;
            let mut each = |item| {
                enough = !each(item);
                !enough
            };
            // Whoever hands items looks for a cancellation itself, also where the step gives none.
            one_of_many(keeper, phase, item, &mut stopped, &mut each)
                || !enough && *phase == Phase::Running && matches!(stopped, Pulled::Skipped)
        });
        if !matches!(stopped, Pulled::Skipped) {
            return stopped;
        }
        if *phase != Phase::Running {
            // It has items of its own now, or has sent its last.
            return Pulled::Skipped;
        }
        self.digest(pulled)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<O::Item, O::Error> {
        if self.phase == Phase::Ready {
            match self.keeper.step.first() {
                // Whoever looks keeps it.
                Some(item) => return Pulled::Item(item),
                None => self.phase = Phase::Running,
            }
        }
        match self.phase {
            Phase::Running => match self.producer.look_ahead(started) {
                Pulled::Pending => Pulled::Pending,
                pulled => self.digest(pulled),
            },
            Phase::Fresh | Phase::First | Phase::Ready => Pulled::Pending,
            Phase::Tail => self.keeper.step.complete(),
            Phase::Over => Pulled::Complete,
        }
    }
}
