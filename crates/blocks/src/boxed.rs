//! Publishers and subscribers behind a pointer: one type whatever is inside.
//!
//! ```text
//!  BoxSubscriber, then BoxActive ──▶ ┌──────┬───────┬──────────────────────────────┐
//!                                    │ next │ table │ subscriber, then what it is  │
//!                                    └──────┴───────┴─ once it is active ──────────┘
//! ```
//!
//! A subscriber and what it becomes are in one *place*, one after the other, so a boundary costs one
//! allocation for its subscriber. The function for an item is in front of it: to send one takes the
//! pointer, that function, and a jump. A pointer with its table beside it, as `Box<dyn _>` is, takes a
//! load and a move more. In a chain of many boundaries each waits for the address in the one before,
//! and the fewer instructions there are, the more items the processor has on their way meanwhile.
//!
//! | the place is | it holds | who has the pointer |
//! |---|---|---|
//! | `Waiting` | the subscriber | [`BoxSubscriber`] |
//! | a bare `Place` | nothing | whoever moves a value in or out; dropping it frees the memory |
//! | active | what the subscriber became | [`BoxActive`] |
//!
//! Whoever has the pointer has the place alone, and nothing is shared. A value that is moved out, to
//! become active or to be told its end, leaves a bare place, so a panic of it frees the memory and
//! drops nothing twice.
//!
//! **Milestones.** In a chain that is made in a loop all stages are one function, and the processor guesses
//! where its one jump leads by what the last thirty jumps or so were. With more alike in a row the last stage
//! looks like any other, so once for each item the guess is wrong, and is found out only when the address of
//! each box has been read from the one before. So each sixteenth box is reached through a function that does
//! nothing but jump on: what came last says how far it is to the next.
//!
//! **A loop calls a function that jumps.** Where the source itself is boxed, its loop is around the first box.
//! A call through the pointer holds the processor up at each item. A direct call of a function that does
//! nothing but jump through the pointer does not, as long as the items take one way or two by turns: all
//! boxes together are then a short loop, in less than half of the time. Where the ways are many, it is one
//! jump more. `docs/performance.md` has the figures.
//!
//! **A publisher that is [pulled](Publisher::into_pull)** has no subscriber, and needs no place. Where the
//! type that is boxed says that it [can be](Publisher::PULLS), so does the box: a stage that would hold it
//! in place does, and no queue is between them. The loop is inside, and hands each item out by one jump.
//! Two kinds are not pulled through a box, and are subscribed to as ever:
//!
//! * What can be pulled only where a host is told of news ([`HOSTED`](Publisher::HOSTED): a window, a
//!   group). Whoever holds a box would have to make it a host before it knows what is inside, an
//!   allocation for each, and most have their items at hand.
//! * What is itself over a box. It could be, but then each stage of a chain that is boxed stage by stage
//!   would be compiled for both ways, and such a chain is made so that it compiles fast: of a hundred
//!   stages it took twice as long. A stage that is not boxed again is pulled over a box.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use millstream_core::{
    ActiveSubscriber, Cause, Context, End, Fault, More, Publisher, Pull, Pulled, Rest, Subscriber,
    Subscription,
};
use millstream_sync::of_each_thread;

trait AnyPublisher<T, E>: Send {
    fn subscribe_boxed(self: Box<Self>, subscriber: BoxSubscriber<T, E>);
}

impl<P: Publisher> AnyPublisher<P::Item, P::Error> for P {
    fn subscribe_boxed(self: Box<Self>, subscriber: BoxSubscriber<P::Item, P::Error>) {
        unboxed(self).subscribe(subscriber);
    }
}

/// One that can be pulled. A table of its own: of what only pushes, nothing is made that pulls.
trait AnyPulled<T, E>: AnyPublisher<T, E> {
    fn into_pull_boxed(self: Box<Self>, context: Context) -> BoxPull<T, E>;
}

impl<P: Publisher> AnyPulled<P::Item, P::Error> for P {
    fn into_pull_boxed(self: Box<Self>, context: Context) -> BoxPull<P::Item, P::Error> {
        // Nobody here is told of news: see the module.
        match unboxed(self).into_pull(context.upstream()) {
            Ok(pull) => BoxPull::new(pull),
            Err(_) => unreachable!("a publisher that says `PULLS` can be pulled"),
        }
    }
}

/// What is in a box, whose memory is freed now: one that is moved out of where it is declared is
/// freed at the end of that function, which may be that of the stream.
#[expect(clippy::boxed_local, reason = "to free it")]
#[inline]
fn unboxed<P>(publisher: Box<P>) -> P {
    *publisher
}

/// A publisher of `T` with errors `E`, whatever it is made of.
///
/// For a pipeline that is stored in a field, returned from a trait method or chosen at run
/// time, and for long chains that compile too slowly. Each item costs one indirect call more.
/// What is synchronous is held in place by stages with several upstreams, as without the box, unless
/// another box is inside. It can be subscribed to once; see [`SharedPublisher`] for one that is `Clone`.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct BoxPublisher<T, E>(Inner<T, E>);

enum Inner<T, E> {
    Pushes(Box<dyn AnyPublisher<T, E>>),
    Pulls(Box<dyn AnyPulled<T, E>>),
}

impl<T, E> Inner<T, E> {
    /// To subscribe to.
    fn any(self) -> Box<dyn AnyPublisher<T, E>> {
        match self {
            Inner::Pushes(publisher) => publisher,
            Inner::Pulls(publisher) => publisher,
        }
    }
}

impl<T, E> BoxPublisher<T, E> {
    /// Boxes `publisher`. One allocation, and another when it is subscribed to or pulled.
    pub fn new<P: Publisher<Item = T, Error = E>>(publisher: P) -> BoxPublisher<T, E> {
        let publisher = Box::new(publisher);
        BoxPublisher(if P::PULLS { Inner::Pulls(publisher) } else { Inner::Pushes(publisher) })
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for BoxPublisher<T, E> {
    type Item = T;
    type Error = E;
    const MAY_PULL: bool = true;

    fn pulls(&self) -> bool {
        matches!(self.0, Inner::Pulls(_))
    }

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.any().subscribe_boxed(BoxSubscriber::new(subscriber));
    }

    fn into_pull(self, context: Context) -> Result<impl Pull<Item = T, Error = E>, Self> {
        match self.0 {
            Inner::Pulls(publisher) => Ok(publisher.into_pull_boxed(context)),
            pushes @ Inner::Pushes(_) => Err(BoxPublisher(pushes)),
        }
    }
}

impl<T, E> fmt::Debug for BoxPublisher<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxPublisher")
    }
}

trait AnyClonePublisher<T, E>: AnyPublisher<T, E> + Sync {
    fn clone_boxed(&self) -> Box<dyn AnyClonePublisher<T, E>>;
}

impl<P: Publisher + Clone + Sync> AnyClonePublisher<P::Item, P::Error> for P {
    fn clone_boxed(&self) -> Box<dyn AnyClonePublisher<P::Item, P::Error>> {
        Box::new(self.clone())
    }
}

trait AnyClonePulled<T, E>: AnyPulled<T, E> + Sync {
    fn clone_pulled(&self) -> Box<dyn AnyClonePulled<T, E>>;
}

impl<P: Publisher + Clone + Sync> AnyClonePulled<P::Item, P::Error> for P {
    fn clone_pulled(&self) -> Box<dyn AnyClonePulled<P::Item, P::Error>> {
        Box::new(self.clone())
    }
}

/// A [`BoxPublisher`] that can be cloned, each clone a stream of its own, and shared: threads that
/// have a reference to it, as those of a server to its state, clone it each for itself.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SharedPublisher<T, E>(Shared<T, E>);

enum Shared<T, E> {
    Pushes(Box<dyn AnyClonePublisher<T, E>>),
    Pulls(Box<dyn AnyClonePulled<T, E>>),
}

impl<T, E> Shared<T, E> {
    /// To subscribe to.
    fn any(self) -> Box<dyn AnyPublisher<T, E>> {
        match self {
            Shared::Pushes(publisher) => publisher,
            Shared::Pulls(publisher) => publisher,
        }
    }
}

impl<T, E> SharedPublisher<T, E> {
    /// Boxes `publisher`. One allocation, and one for each clone.
    pub fn new<P: Publisher<Item = T, Error = E> + Clone + Sync>(publisher: P) -> Self {
        let publisher = Box::new(publisher);
        SharedPublisher(if P::PULLS { Shared::Pulls(publisher) } else { Shared::Pushes(publisher) })
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for SharedPublisher<T, E> {
    type Item = T;
    type Error = E;
    const MAY_PULL: bool = true;

    fn pulls(&self) -> bool {
        matches!(self.0, Shared::Pulls(_))
    }

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.any().subscribe_boxed(BoxSubscriber::new(subscriber));
    }

    fn into_pull(self, context: Context) -> Result<impl Pull<Item = T, Error = E>, Self> {
        match self.0 {
            Shared::Pulls(publisher) => Ok(publisher.into_pull_boxed(context)),
            pushes @ Shared::Pushes(_) => Err(SharedPublisher(pushes)),
        }
    }
}

impl<T, E> Clone for SharedPublisher<T, E> {
    fn clone(&self) -> Self {
        SharedPublisher(match &self.0 {
            Shared::Pushes(publisher) => Shared::Pushes(publisher.clone_boxed()),
            Shared::Pulls(publisher) => Shared::Pulls(publisher.clone_pulled()),
        })
    }
}

impl<T, E> fmt::Debug for SharedPublisher<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPublisher")
    }
}

/// A [`Pull`], whatever it is made of.
trait AnyPull<T, E>: Send {
    fn pull_boxed(&mut self) -> Pulled<T, E>;
    fn pull_while_boxed(&mut self, each: &mut dyn Each<T>) -> Pulled<T, E>;
    fn look_ahead_boxed(&mut self, started: bool) -> Pulled<T, E>;
}

impl<P: Pull> AnyPull<P::Item, P::Error> for P {
    fn pull_boxed(&mut self) -> Pulled<P::Item, P::Error> {
        self.pull()
    }

    fn pull_while_boxed(&mut self, each: &mut dyn Each<P::Item>) -> Pulled<P::Item, P::Error> {
        self.pull_while(|item| each.take(item))
    }

    fn look_ahead_boxed(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        self.look_ahead(started)
    }
}

/// What is done with an item: a function, of which a pointer to `dyn FnMut` would have three.
trait Each<T> {
    fn take(&mut self, item: T) -> bool;
}

impl<T, F: FnMut(T) -> bool> Each<T> for F {
    fn take(&mut self, item: T) -> bool {
        self(item)
    }
}

/// What a boxed publisher is pulled from.
pub(crate) struct BoxPull<T, E>(Box<dyn AnyPull<T, E>>);

impl<T, E> BoxPull<T, E> {
    pub(crate) fn new(pull: impl Pull<Item = T, Error = E>) -> BoxPull<T, E> {
        BoxPull(Box::new(pull))
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for BoxPull<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        self.0.pull_boxed()
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(T) -> bool) -> Pulled<T, E> {
        self.0.pull_while_boxed(&mut each)
    }

    #[inline]
    fn look_ahead(&mut self, started: bool) -> Pulled<T, E> {
        self.0.look_ahead_boxed(started)
    }
}

/// Sends an item from a loop: see the [module](self).
#[inline(always)]
pub(crate) fn send<T, E, A: ActiveSubscriber<T, E>>(active: &mut A, item: T) -> More {
    if A::JUMPS { jump(active, item) } else { active.on_next(item) }
}

// Never inline: that makes a call through a pointer of it again.
#[inline(never)]
fn jump<T, E, A: ActiveSubscriber<T, E>>(active: &mut A, item: T) -> More {
    active.on_next(item)
}

/// What an end leaves to be delivered.
type Left = Option<Box<dyn Rest>>;

/// A place, whatever is inside.
type At<T, E> = NonNull<Head<T, E>>;

/// What is in front of every place: how to reach what is active there.
///
/// Its functions, and those of its [`Table`], are safe to call with the head of an active place that
/// nobody else reaches meanwhile; a [`BoxActive`] has one.
struct Head<T, E> {
    // SAFETY: what the caller owes is said above, and whom each is called by at `BoxActive` (model
    // `a_cancellation_races_a_boxed_chain`).
    next: unsafe fn(At<T, E>, T) -> More,
    table: NonNull<Table<T, E>>,
}

/// What is called seldom. Each function is given the head of an active place, and the last two take
/// the place with it.
struct Table<T, E> {
    /// Where a milestone leads.
    // SAFETY: as of `Head::next`.
    next: unsafe fn(At<T, E>, T) -> More,
    // SAFETY: as of `Head::next`.
    request: unsafe fn(At<T, E>, More) -> More,
    // SAFETY: as of `Head::next`.
    cause: unsafe fn(At<T, E>) -> Cause,
    // SAFETY: as of `Head::next`; of this and the next one is called, once (model
    // `what_is_inside_is_dropped_once`).
    end: unsafe fn(At<T, E>, End<E>) -> Left,
    // SAFETY: as of `end`.
    drop: unsafe fn(At<T, E>),
}

/// One box of so many is a milestone: see the [module](self).
const MILESTONE: usize = 16;

// How many boxes there are from the one that became active last to the end of its chain. Where other
// chains begin meanwhile it is another number, and a milestone stands elsewhere.
of_each_thread!(DEPTH: Cell<usize> = Cell::new(0));

/// What a milestone has in its head.
///
/// # Safety
/// As for [`Head::next`].
unsafe fn milestone<T, E>(head: At<T, E>, item: T) -> More {
    // SAFETY: the head is that of an active place, so its table is there, and all that is owed is owed by
    // the caller (model `all_passes_a_milestone`).
    unsafe { (head.as_ref().table.as_ref().next)(head, item) }
}

/// Memory for a subscriber and for what it becomes. Drops neither.
#[repr(C)]
struct Place<T, E, S: Subscriber<T, E>> {
    // First: a pointer to it is one to the place.
    head: Head<T, E>,
    inside: Inside<S, S::Active>,
}

union Inside<S, A> {
    waiting: ManuallyDrop<S>,
    active: ManuallyDrop<A>,
}

impl<T: 'static, E: 'static, S: Subscriber<T, E>> Place<T, E, S> {
    const TABLE: &'static Table<T, E> = &Table {
        next: Self::next,
        request: Self::request,
        cause: Self::cause,
        end: Self::end,
        drop: Self::drop,
    };

    fn new(subscriber: S) -> Box<Place<T, E, S>> {
        Box::new(Place {
            head: Head { next: Self::next, table: NonNull::from(Self::TABLE) },
            inside: Inside { waiting: ManuallyDrop::new(subscriber) },
        })
    }

    /// # Safety
    /// `head` is that of an active place of this type, which nobody else reaches while `'a` lasts.
    #[inline]
    unsafe fn active<'a>(head: At<T, E>) -> &'a mut S::Active {
        // SAFETY: the place begins with its head, and is active and the caller's alone (models
        // `a_cancellation_races_a_boxed_chain`, `what_is_inside_is_dropped_once`).
        unsafe { &mut (*head.cast::<Place<T, E, S>>().as_ptr()).inside.active }
    }

    /// # Safety
    /// `head` is that of an active place of this type, and nobody uses it any more.
    unsafe fn take(head: At<T, E>) -> Box<Place<T, E, S>> {
        // SAFETY: `activate` leaked the box, and the pointer reaches all of it; it is given up here,
        // once (model `what_is_inside_is_dropped_once`).
        unsafe { Box::from_raw(head.cast().as_ptr()) }
    }

    /// # Safety
    /// As for [`active`](Place::active).
    unsafe fn next(head: At<T, E>, item: T) -> More {
        // SAFETY: a `BoxActive` has the place alone, and is borrowed.
        unsafe { Self::active(head) }.on_next(item)
    }

    /// # Safety
    /// As for [`active`](Place::active).
    unsafe fn request(head: At<T, E>, more: More) -> More {
        // SAFETY: a `BoxActive` has the place alone, and is borrowed.
        unsafe { Self::active(head) }.on_request(more)
    }

    /// # Safety
    /// As for [`active`](Place::active).
    unsafe fn cause(head: At<T, E>) -> Cause {
        // SAFETY: a `BoxActive` has the place alone, and is borrowed.
        unsafe { Self::active(head) }.cause()
    }

    /// # Safety
    /// As for [`take`](Place::take).
    unsafe fn end(head: At<T, E>, end: End<E>) -> Left {
        // SAFETY: a `BoxActive` is used up.
        let mut place = unsafe { Self::take(head) };
        // SAFETY: it was active, and what is taken out is not dropped by the place (model
        // `what_is_inside_is_dropped_once`).
        let active = unsafe { ManuallyDrop::take(&mut place.inside.active) };
        // Not kept while all that is below is told.
        drop(place);
        active.on_end(end)
    }

    /// # Safety
    /// As for [`take`](Place::take).
    unsafe fn drop(head: At<T, E>) {
        // SAFETY: a `BoxActive` is dropped.
        let mut place = unsafe { Self::take(head) };
        // SAFETY: it was active, and the place does not drop it (model
        // `what_is_inside_is_dropped_once`).
        unsafe { ManuallyDrop::drop(&mut place.inside.active) }
    }
}

/// A place that holds the subscriber, and drops it.
#[repr(transparent)]
struct Waiting<T, E, S: Subscriber<T, E>>(Place<T, E, S>);

impl<T, E, S: Subscriber<T, E>> Drop for Waiting<T, E, S> {
    fn drop(&mut self) {
        // SAFETY: while it is `Waiting` the subscriber is in it: `activate` makes it a bare place
        // before it moves the subscriber (model `what_waits_is_dropped_once`).
        unsafe { ManuallyDrop::drop(&mut self.0.inside.waiting) }
    }
}

impl<T: 'static, E: 'static, S: Subscriber<T, E>> Waiting<T, E, S> {
    fn boxed(subscriber: S) -> Box<Waiting<T, E, S>> {
        let place = Box::into_raw(Place::new(subscriber));
        // SAFETY: it is the same to the allocator and to the eye, and has a subscriber in it (model
        // `what_waits_is_dropped_once`).
        unsafe { Box::from_raw(place.cast()) }
    }

    fn activate(self: Box<Self>, subscription: Subscription) -> BoxActive<T, E> {
        // SAFETY: as in `boxed`; from here on nobody drops what is inside.
        let mut place: Box<Place<T, E, S>> = unsafe { Box::from_raw(Box::into_raw(self).cast()) };
        // SAFETY: it was waiting, and the place does not drop what is taken out (models
        // `what_waits_is_dropped_once`, `a_panic_on_its_way_in_drops_it_once`).
        let subscriber = unsafe { ManuallyDrop::take(&mut place.inside.waiting) };
        // A thread that ends has no depth.
        let _gone = DEPTH.try_with(|depth| depth.set(0));
        place.inside.active = ManuallyDrop::new(subscriber.on_subscribe(subscription));
        let depth = DEPTH.try_with(|depth| depth.replace(depth.get() + 1)).unwrap_or(0);
        if depth > 0 && depth.is_multiple_of(MILESTONE) {
            place.head.next = milestone;
        }
        BoxActive { head: NonNull::from(Box::leak(place)).cast() }
    }
}

trait AnySubscriber<T, E>: Send {
    fn on_subscribe_boxed(self: Box<Self>, subscription: Subscription) -> BoxActive<T, E>;
    fn context_boxed(&self) -> Context;
}

// SAFETY: the head is made of functions and of a table of functions; what is inside is a subscriber,
// which is `Send`, as is what it becomes.
unsafe impl<T, E, S: Subscriber<T, E>> Send for Waiting<T, E, S> {}

impl<T: 'static, E: 'static, S: Subscriber<T, E>> AnySubscriber<T, E> for Waiting<T, E, S> {
    fn on_subscribe_boxed(self: Box<Self>, subscription: Subscription) -> BoxActive<T, E> {
        self.activate(subscription)
    }

    fn context_boxed(&self) -> Context {
        // SAFETY: while it is `Waiting` the subscriber is in it (model `what_waits_is_dropped_once`).
        unsafe { &self.0.inside.waiting }.context()
    }
}

/// A subscriber to `T` with errors `E`, whatever it is made of.
pub struct BoxSubscriber<T, E>(Box<dyn AnySubscriber<T, E>>);

impl<T: 'static, E: 'static> BoxSubscriber<T, E> {
    /// Boxes `subscriber`. One allocation, which it keeps when it is active.
    pub fn new(subscriber: impl Subscriber<T, E>) -> BoxSubscriber<T, E> {
        BoxSubscriber(Waiting::boxed(subscriber))
    }
}

impl<T: 'static, E: 'static> Subscriber<T, E> for BoxSubscriber<T, E> {
    type Active = BoxActive<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> BoxActive<T, E> {
        self.0.on_subscribe_boxed(subscription)
    }

    fn context(&self) -> Context {
        self.0.context_boxed()
    }
}

impl<T, E> fmt::Debug for BoxSubscriber<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxSubscriber")
    }
}

/// An active subscriber behind a pointer.
pub struct BoxActive<T, E> {
    /// Of an active place.
    head: At<T, E>,
}

// SAFETY: it has the place alone, and what is active in it is an `ActiveSubscriber`, which is `Send`
// (model `a_cancellation_races_a_boxed_chain` moves one between threads).
unsafe impl<T, E> Send for BoxActive<T, E> {}

impl<T, E> BoxActive<T, E> {
    fn table(&self) -> &Table<T, E> {
        // SAFETY: the place is there as long as this, and its table for ever.
        unsafe { self.head.as_ref().table.as_ref() }
    }
}

impl<T: 'static, E: 'static> BoxActive<T, E> {
    fn end(self, end: End<E>) {
        // Only a sender that breaks the contract comes here: it must use `on_end`.
        drop(self.on_end(end));
    }
}

impl<T, E> Drop for BoxActive<T, E> {
    fn drop(&mut self) {
        // SAFETY: the place is active as long as this is there, and is not used again.
        unsafe { (self.table().drop)(self.head) }
    }
}

impl<T: 'static, E: 'static> ActiveSubscriber<T, E> for BoxActive<T, E> {
    const JUMPS: bool = true;

    #[inline]
    fn on_next(&mut self, item: T) -> More {
        // SAFETY: the place is active as long as this is there, and nobody else has it.
        unsafe { (self.head.as_ref().next)(self.head, item) }
    }

    fn on_complete(self) {
        self.end(End::Completed);
    }

    fn on_error(self, error: E) {
        self.end(End::Failed(error));
    }

    fn on_fault(self, fault: Fault) {
        self.end(End::Fault(fault));
    }

    fn on_request(&mut self, more: More) -> More {
        // SAFETY: the place is active as long as this is there, and nobody else has it.
        unsafe { (self.table().request)(self.head, more) }
    }

    fn cause(&self) -> Cause {
        // SAFETY: the place is active as long as this is there. It is not shared between threads, so
        // nobody else reaches what is inside.
        unsafe { (self.table().cause)(self.head) }
    }

    fn on_end(self, end: End<E>) -> Left {
        let this = ManuallyDrop::new(self);
        // SAFETY: the place is active as long as this is there, which is never dropped.
        unsafe { (this.table().end)(this.head, end) }
    }
}

impl<T, E> fmt::Debug for BoxActive<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxActive")
    }
}
