//! A branch: one of several downstreams among which a trunk divides what comes from upstream.
//!
//! ```text
//!                  ┌─ Feeder ── ring(capacity) ──▶ island ─▶ subscriber     a branch
//!  upstream ─▶ trunk ─ Feeder ── ring(capacity) ──▶ island ─▶ subscriber     another
//!                  └─ Feeder ═════ directly ══════▶ island ─▶ subscriber     a third
//!                ▲
//!                └── Desk: which of them have news
//! ```
//!
//! The [trunk] is an island without items of its own: it pulls upstream and decides which branch
//! an item goes to. Each branch is a publisher that is handed out, subscribed to once, anywhere,
//! at any time, and runs on an island of its own, so its requests, its cancellation and its
//! panics are its own affair.
//!
//! **Two ways for an item.** It goes into the branch's ring, and the branch sends it on when it is
//! asked to. Or, where the branch has demand and nothing in its ring, the trunk *keeps the turn* of
//! the branch's island, and sends it on directly: no atomic operation but a look at the word. The
//! order is kept, because the turn is kept only while the ring is empty, and nobody else fills it.
//!
//! **A third way**, where the trunk is *rooted* in the host that holds the branch in place: that one
//! runs the trunk itself, in its own turn and as its own demand allows ([`Root::visit`]), and is
//! [handed](Feeder::hand) each item as it comes: no queue, and no call that the compiler does not see
//! through. Its trunk is an island all the same: others run it where they ask for items of branches
//! that are read elsewhere, and what they find for a branch in place goes into its ring.
//!
//! | state of a branch | reader of the ring | the trunk |
//! |---|---|---|
//! | unread: nobody has subscribed | in the post | pushes; may take out what is oldest |
//! | read | in the island | pushes, and rings if the reader sleeps |
//! | hungry: read, with demand, and nothing to send | in the island | may keep the turn, and then sends directly |
//! | hosted: pulled by a host that is told | in the host | pushes, and rings the host if the reader sleeps |
//! | in place: hosted by who may run the trunk | in the host | as hosted; or hands items over, in the host's turn, while the ring is empty |
//! | gone: cancelled, over, or dropped unread | dropped | gets its items back |
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `post`: who reads, whether the trunk waits for room | anyone, under its lock | any |
//! | `end` | written by the feeder before the ring is shut, taken by the reader after it saw that | |
//! | the island's turn | whoever entered it; the feeder while it keeps it | |
//! | `news` of the desk | set by branches, cleared by the trunk | a hint: the bell follows |
//!
//! * **No wake-up is lost.** A branch that becomes hungry, or goes, leaves its mark and rings the
//!   trunk after it gave its turn up. A trunk that finds a ring full notes that it waits, and
//!   tries once more; a branch looks at that note whenever it gives its turn up. Both do so under
//!   the lock of the post, so one of the two sees the other.
//! * **A kept turn holds nobody up.** While it is kept there is nothing in the ring that somebody
//!   else could send. A request only adds; a cancellation closes the word and rings the trunk,
//!   which lets go.
//! * **A host that would only queue its items again** pulls the ring itself (`into_pull`, under a
//!   context with a [`Bell`] as its host). Such a branch has no island, and nothing to ask by: it
//!   wants as many as it has room for. Its reader looks at the note of the trunk each time three
//!   quarters of its room were taken, since a trunk that waits has left it as many at least, and
//!   when nothing is left.
//! * **A host that finds its trunk busy is called.** It leaves a note and signals; whoever has the
//!   turn of the trunk looks at the note when it has given that up, and rings. So nobody waits for a
//!   turn, and the host is rung while nobody holds what it wants to enter.
//! * **A host that takes a branch on** leaves a mark and rings nobody: the trunk feeds what is in place in
//!   a visit of that host only, and hears of it there. A branch whose end was read has nobody to tell
//!   that it goes: its feeder has gone before.
//! * **The order is kept** where items are handed, because only the feeder fills the ring, and it
//!   hands only when the reader has taken all that was in there.
//! * **The end.** A feeder ends its branch behind what is queued. One that is dropped without an
//!   end waits at the desk until it is known why the trunk is gone, and then tells that: the fault
//!   that broke it, or [`Fault::SourceDropped`].
//! * **A branch that goes** for a [failure](crate::cause) notes it at the desk before it is seen to have
//!   gone.
//! * **Where somebody looks** ([`Seen`]) items go through the ring always, since what came and what
//!   went are its indices. Of a branch that nobody looks at nothing is counted.
//! * **Nothing keeps itself alive.** A branch that goes clears its post, but for the context of
//!   whoever read it: that is for items which still come.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, Fault, Handed, Hands, More, Publisher,
    Pull, Pulled, Subscriber, Subscription,
};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

use crate::bell::{Bell, Host, Marks};
use crate::cause::{Note, afresh};
use crate::gauge::{self, Gauge, Site, State};
use crate::island::{Direct, Feeds, Island, Rests, join, join_fed, join_visited};
use crate::ring::{Look, Popped, Pushed, Reader, Writer, ring};

/// Runs a trunk: `make` is given the desk where its branches, numbered below `size`, leave their
/// news, and returns what pulls upstream and feeds them; it is pulled until it has nothing to do,
/// and again whenever there is news at the desk.
pub fn trunk<P>(size: usize, make: impl FnOnce(&Arc<Desk>) -> P)
where
    P: Pull<Item = Infallible, Error = Infallible>,
{
    let orphans = Orphans::default();
    let anchor = Anchor { orphans: orphans.clone() };
    join(|bell, _| make(&Desk::new(size, bell, orphans, None)), anchor);
}

/// As [`trunk`], for a host that may run it as well, in its own turn: see [`Root::visit`].
pub fn rooted_trunk<P>(size: usize, host: &Bell, make: impl FnOnce(&Arc<Desk>) -> P) -> Root<P>
where
    P: Pull<Item = Infallible, Error = Infallible>,
{
    let caller =
        Arc::new(Caller { host: Mutex::new(Some(host.clone())), calls: AtomicU64::new(0) });
    let orphans = Orphans::default();
    let anchor = Anchor { orphans: orphans.clone() };
    let called = caller.clone();
    let own = caller.clone();
    let island =
        join_visited(called, |bell| make(&Desk::new(size, bell, orphans, Some(own))), anchor);
    Root { island, caller }
}

/// A trunk whose host may run it: what the host keeps.
pub struct Root<P: Pull<Item = Infallible, Error = Infallible>> {
    island: Arc<Island<P, Anchor>>,
    caller: Arc<Caller>,
}

impl<P: Pull<Item = Infallible, Error = Infallible>> Root<P> {
    /// Lends what the trunk runs to its host, which has its own turn, for the time of `f`. `None`
    /// where the trunk is over, or is run by somebody else just now: then the host is rung when that
    /// one rests.
    pub fn visit<R>(&self, f: impl FnOnce(&mut P) -> R) -> Option<R> {
        self.island.visit(|| self.caller.call(), f)
    }

    /// Lets the trunk do what there is to do without its host.
    pub fn ring(&self) {
        Host::ring(&*self.island);
    }
}

impl<P: Pull<Item = Infallible, Error = Infallible>> Drop for Root<P> {
    fn drop(&mut self) {
        let host = lock(&self.caller.host).take();
        drop(host);
    }
}

impl<P: Pull<Item = Infallible, Error = Infallible>> fmt::Debug for Root<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root")
    }
}

/// Calls the host of a rooted trunk, once the trunk rests: it could not run it before.
struct Caller {
    /// Until it goes.
    host: Mutex<Option<Bell>>,
    calls: AtomicU64,
}

impl Caller {
    /// Whoever has the turn of the trunk, or is told that it is to look again, rings the host.
    fn call(&self) {
        // ordering: relaxed; handed over by the word of the trunk: to who has its turn already, or
        // by the signal that follows (model `a_visit_races_a_request_of_another_branch`).
        self.calls.store(1, Ordering::Relaxed);
    }
}

impl Feeds for Caller {
    fn news(&self, _: bool) {
        // ordering: relaxed; as in `call`.
        if self.calls.load(Ordering::Relaxed) != 0 {
            self.calls.store(0, Ordering::Relaxed);
            let host = lock(&self.host).clone();
            if let Some(host) = host {
                host.ring();
            }
        }
    }
}

type Orphans = Arc<Mutex<Vec<Box<dyn FnOnce(Fault) + Send>>>>;

/// Where the branches of a trunk leave their news.
pub struct Desk {
    bell: Bell,
    marks: Arc<Marks>,
    news: AtomicU64,
    /// Feeders that were dropped without an end.
    orphans: Orphans,
    /// Why branches went, if one failed.
    cause: Mutex<Note>,
    /// How to call the host of the trunk, where that one may run it.
    caller: Option<Arc<Caller>>,
}

impl Desk {
    fn new(size: usize, bell: &Bell, orphans: Orphans, caller: Option<Arc<Caller>>) -> Arc<Desk> {
        let (marks, news) = (Marks::new(size), AtomicU64::new(0));
        let cause = Mutex::new(Note::default());
        Arc::new(Desk { bell: bell.clone(), marks, news, orphans, cause, caller })
    }

    /// Rings the host of a [rooted](rooted_trunk) trunk, once the trunk rests.
    pub fn call_host(&self) {
        if let Some(caller) = &self.caller {
            caller.call();
        }
    }

    /// The bell of the trunk, for its upstream.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Ends the trunk and all its branches with `fault`.
    pub fn fail(&self, fault: Fault) {
        self.bell.fail(fault);
    }

    /// Whether there may be news: to be looked at between two items.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        // ordering: relaxed; a hint. Whoever leaves news rings the bell after it, so the trunk
        // looks once more before it rests.
        self.news.load(Ordering::Relaxed) != 0
    }

    /// The numbers of the branches that have news.
    pub fn take(&self, each: impl FnMut(usize)) {
        // ordering: relaxed; as in `has_news`.
        self.news.store(0, Ordering::Relaxed);
        self.marks.take(each);
    }

    /// Why upstream is cancelled when all branches have gone: each item was for one of them, so the
    /// first that failed has left something undone.
    #[must_use]
    pub fn cause(&self) -> Cause {
        lock(&self.cause).get()
    }

    fn tell(&self, n: usize) {
        self.note(n);
        self.bell.ring();
    }

    /// As [`tell`](Desk::tell), for the host of the trunk: its next visit has a use for it, and nobody
    /// else.
    fn note(&self, n: usize) {
        self.marks.set(n);
        // ordering: relaxed; as in `has_news`.
        self.news.store(1, Ordering::Relaxed);
    }

    /// Where the host of the trunk is that of this bell: the place that the bell is for.
    fn place(&self, bell: &Bell) -> Option<Option<usize>> {
        lock(&self.caller.as_ref()?.host).as_ref()?.mark_of(bell)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("marks", &self.marks).finish_non_exhaustive()
    }
}

/// The subscriber of a trunk: it is sent nothing, and told why the trunk is over.
pub(crate) struct Anchor {
    orphans: Orphans,
}

impl Anchor {
    fn tell(&self, fault: impl Fn() -> Fault) {
        let orphans = std::mem::take(&mut *lock(&self.orphans));
        for orphan in orphans {
            orphan(fault());
        }
    }
}

impl Subscriber<Infallible, Infallible> for Anchor {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::UNBOUNDED);
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<Infallible, Infallible> for Anchor {
    fn on_next(&mut self, item: Infallible) -> More {
        match item {}
    }

    fn on_complete(self) {}

    fn on_error(self, error: Infallible) {
        match error {}
    }

    fn on_fault(self, fault: Fault) {
        self.tell(|| fault.echo());
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        self.tell(|| Fault::SourceDropped);
    }
}

/// What a branch tells of itself to whoever looks.
#[derive(Debug)]
pub enum Seen {
    /// It is one of those that a gauge counts together; nothing where there is none.
    Together(Option<Gauge>),
    /// It is a boundary of its own, on the board of whoever reads it. For a branch that is sent
    /// nothing before its [context](Feeder::context) was asked for.
    Alone(Site),
}

/// Branch number `n` of a trunk: what it is fed by, and what is handed out. What it
/// takes and never delivers goes to the discards of `context`, or of its subscriber.
pub fn branch<T: Send + 'static, E: Send + 'static>(
    desk: &Arc<Desk>,
    n: usize,
    capacity: NonZeroUsize,
    context: &Context,
    seen: Seen,
) -> (Feeder<T, E>, Branch<T, E>) {
    let (mut writer, reader) = ring(capacity.get());
    let watch = match &seen {
        Seen::Together(Some(gauge)) => Some(Box::new(Watch::new(gauge.clone(), writer.observe()))),
        Seen::Together(None) | Seen::Alone(_) => None,
    };
    let shared = Arc::new(Shared {
        post: Mutex::new(Post {
            reading: Reading::Awaited { reader, fault: None },
            waits: false,
            context: Context::default(),
            seen: watch.as_ref().map(|watch| watch.reading.clone()),
        }),
        end: Mutex::new(None),
        desk: desk.clone(),
        n,
    });
    let feeder = Feeder {
        writer: Some(writer),
        shared: shared.clone(),
        stem: None,
        host: None,
        rooted: false,
        place: None,
        queued: false,
        kept: false,
        hungry: false,
        over: false,
        seen: watch.is_some(),
    };
    let branch = Branch { shared: Some(shared), discards: context.discards().clone(), seen, watch };
    (feeder, branch)
}

/// What a branch keeps where somebody looks.
struct Watch {
    reading: gauge::Reading,
    /// How upstream ended.
    end: Option<State>,
    // Last: the line ends when the queue was closed.
    #[expect(dead_code, reason = "the line ends when it is dropped")]
    gauge: Gauge,
}

impl Watch {
    fn new(gauge: Gauge, queue: Arc<dyn gauge::Queue>) -> Watch {
        Watch { reading: gauge.read(queue), end: None, gauge }
    }
}

struct Shared<T, E> {
    post: Mutex<Post<T>>,
    end: Mutex<Option<Result<(), E>>>,
    desk: Arc<Desk>,
    n: usize,
}

impl<T: Send + 'static, E> Shared<T, E> {
    /// Room was made, or nothing is left, by a reader without an island.
    #[cold]
    fn room(&self) {
        if std::mem::take(&mut lock(&self.post).waits) {
            self.desk.tell(self.n);
        }
    }

    /// The ring and its capacity, while nobody has subscribed.
    fn queue(&self) -> Option<(usize, Arc<dyn gauge::Queue>)> {
        match &lock(&self.post).reading {
            Reading::Awaited { reader, .. } => Some((reader.capacity(), reader.queue())),
            Reading::Here(_) | Reading::Hosted(_) | Reading::Gone => None,
        }
    }
}

/// The number of a branch, which no other has as long as its feeder is there.
#[inline]
fn number<T, E>(shared: &Arc<Shared<T, E>>) -> usize {
    Arc::as_ptr(shared).addr()
}

struct Post<T> {
    reading: Reading<T>,
    /// The trunk found the ring full.
    waits: bool,
    /// Of whoever reads, or has read.
    context: Context,
    /// Where somebody looks.
    seen: Option<gauge::Reading>,
}

enum Reading<T> {
    /// Nobody has subscribed. A fault goes to whoever does.
    Awaited { reader: Reader<T>, fault: Option<Fault> },
    /// By this island.
    Here(Arc<dyn Direct<T>>),
    /// By the host of this bell.
    Hosted(Bell),
    /// Nobody will.
    Gone,
}

impl<T: Send + 'static, E: Send + 'static> Feeds for Shared<T, E> {
    fn news(&self, hungry: bool) {
        let waited = std::mem::take(&mut lock(&self.post).waits);
        if hungry || waited {
            self.desk.tell(self.n);
        }
    }
}

/// What becomes of an item that is sent to a branch.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an item may come back"]
pub enum Sent<T> {
    /// The branch has it.
    Taken,
    /// There is no room for it; the desk has news when there is.
    Full(T),
    /// The branch has gone.
    Gone(T),
}

/// The end of a branch that the trunk has.
pub struct Feeder<T: Send + 'static, E: Send + 'static> {
    /// Here until the end.
    writer: Option<Writer<T>>,
    shared: Arc<Shared<T, E>>,
    /// The island that reads, once it was needed.
    stem: Option<Arc<dyn Direct<T>>>,
    /// Or the host that pulls, likewise.
    host: Option<Bell>,
    /// Whether that is the host of the trunk.
    rooted: bool,
    /// The place in which it holds the branch.
    place: Option<usize>,
    /// Whether there may be something in the ring.
    queued: bool,
    /// Whether this keeps the turn of the island.
    kept: bool,
    hungry: bool,
    /// Whether the island was seen to be over.
    over: bool,
    /// Whether somebody looks: then all items go through the ring.
    seen: bool,
}

impl<T: Send + 'static, E: Send + 'static> Feeder<T, E> {
    /// Whether the branch has demand and nothing to send, as far as was seen.
    #[inline]
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.hungry
    }

    /// Whether the branch is held in place by the host of its trunk, which may
    /// [run](Root::visit) that.
    #[inline]
    #[must_use]
    pub fn is_rooted(&self) -> bool {
        self.rooted
    }

    /// Hands an item to the branch past its ring, where the host that holds it in place has these
    /// `hands` and nothing is in the ring. Whether another may follow.
    ///
    /// # Errors
    /// The item, where that is not its way.
    #[inline]
    pub fn hand(&mut self, item: T, hands: &mut impl Hands) -> Result<bool, T> {
        let Some(place) = self.place else { return Err(item) };
        if self.queued {
            if !self.writer.as_ref().is_some_and(Writer::is_drained) {
                return Err(item);
            }
            self.queued = false;
        }
        hands.hand(place, Handed::new(number(&self.shared), item))
    }

    /// Whether this keeps the turn of the branch: the trunk must [give it up](Feeder::rest)
    /// before it rests.
    #[inline]
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether somebody has subscribed.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.stem.is_some() || !matches!(lock(&self.shared.post).reading, Reading::Awaited { .. })
    }

    /// Whether nobody will read, or read on.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(lock(&self.shared.post).reading, Reading::Gone)
    }

    /// The context of whoever has subscribed.
    #[must_use]
    pub fn context(&mut self) -> Context {
        self.look();
        lock(&self.shared.post).context.clone()
    }

    /// Whether the branch has nothing to send, and not only room for more; else there is news of it
    /// when that may have changed.
    pub fn starves(&mut self) -> bool {
        let (true, Some(writer)) = (self.hungry, &self.writer) else { return false };
        if self.host.is_none() {
            return true;
        }
        // The note first: a reader leaves its mark in the ring, and then looks for the note.
        lock(&self.shared.post).waits = true;
        writer.is_awaited()
    }

    /// Puts an item into the ring, where that is its way and there is room. It comes back where there
    /// is more to do: see [`send`](Feeder::send). Where it does not, nothing else has changed.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.hungry && self.host.is_none() {
            return Err(item);
        }
        let Some(writer) = &mut self.writer else { return Err(item) };
        self.queued = true;
        match writer.push(item) {
            Pushed::Noted => Ok(()),
            Pushed::Wake => {
                self.wake();
                Ok(())
            }
            Pushed::Full(item) | Pushed::Gone(item) => Err(item),
        }
    }

    /// Sends an item: directly where that is possible, into the ring otherwise.
    #[inline]
    pub fn send(&mut self, item: T) -> Sent<T> {
        if self.kept
            && let Some(stem) = &self.stem
        {
            // SAFETY: `kept` says that this keeps the turn (model `the_kept_turn_excludes`).
            let (rests, back) = unsafe { stem.offer(item) };
            if rests == Rests::Kept && back.is_none() {
                return Sent::Taken;
            }
            self.note(rests);
            return match back {
                None => Sent::Taken,
                Some(item) => self.send_slowly(item),
            };
        }
        self.send_slowly(item)
    }

    #[cold]
    fn send_slowly(&mut self, mut item: T) -> Sent<T> {
        while self.hungry && !self.seen && self.host.is_none() {
            if !self.kept && self.attend() {
                return Sent::Gone(item);
            }
            let (true, Some(stem)) = (self.kept, &self.stem) else { break };
            // SAFETY: as in `send`.
            let (rests, back) = unsafe { stem.offer(item) };
            self.note(rests);
            match back {
                None => return Sent::Taken,
                Some(back) => item = back,
            }
        }
        let Some(writer) = &mut self.writer else { return Sent::Gone(item) };
        self.queued = true;
        let pushed = match writer.push(item) {
            Pushed::Full(item) => {
                lock(&self.shared.post).waits = true;
                writer.push(item)
            }
            pushed => pushed,
        };
        match pushed {
            Pushed::Noted => {}
            Pushed::Wake => self.wake(),
            Pushed::Full(item) => {
                self.hungry = false;
                return Sent::Full(item);
            }
            Pushed::Gone(item) => return Sent::Gone(item),
        }
        // One that is hosted wants more as long as there is room.
        self.hungry &= self.host.is_some();
        Sent::Taken
    }

    fn note(&mut self, rests: Rests) {
        self.kept = rests == Rests::Kept;
        self.over |= rests == Rests::Over;
        self.hungry = matches!(rests, Rests::Kept | Rests::Left { hungry: true });
    }

    fn look(&mut self) {
        if self.stem.is_some() || self.host.is_some() {
            return;
        }
        let post = lock(&self.shared.post);
        match &post.reading {
            Reading::Here(stem) => self.stem = Some(stem.clone()),
            Reading::Hosted(host) => {
                if let Some(place) = self.shared.desk.place(host) {
                    (self.rooted, self.place) = (true, place);
                }
                self.host = Some(host.clone());
            }
            Reading::Awaited { .. } | Reading::Gone => return,
        }
        if post.seen.is_some() && !std::mem::replace(&mut self.seen, true) {
            drop(post);
            drop(self.writer.as_mut().map(Writer::observe));
        }
    }

    #[cold]
    fn wake(&mut self) {
        self.look();
        if let Some(stem) = &self.stem {
            stem.ring();
        } else if let Some(host) = &self.host {
            host.ring();
        }
    }

    /// Looks at the news of the branch; whether it has gone. Where it is hungry the turn of its
    /// island is kept, if nobody else has it.
    #[must_use = "a branch that has gone is to be dropped"]
    pub fn attend(&mut self) -> bool {
        self.look();
        let rests = match &self.stem {
            // SAFETY: `kept` says that this keeps the turn.
            Some(stem) if self.kept => unsafe { stem.attend() },
            Some(stem) => stem.enter(),
            None => {
                let gone = self.is_gone();
                self.hungry = self.host.is_some() && !gone;
                return gone;
            }
        };
        self.note(rests);
        if self.seen {
            self.rest();
        }
        // Whoever has the turn may be just about to leave for good.
        self.over || rests == Rests::Busy && self.is_gone()
    }

    /// Gives up the turn of the branch, if this keeps it.
    pub fn rest(&mut self) {
        if std::mem::take(&mut self.kept)
            && let Some(stem) = &self.stem
        {
            // SAFETY: this kept the turn until now.
            let rests = unsafe { stem.leave() };
            self.note(rests);
        }
    }

    /// Takes out the oldest item, where nobody has subscribed.
    #[must_use = "the item is to be discarded"]
    pub fn take_oldest(&mut self) -> Option<T> {
        match &mut lock(&self.shared.post).reading {
            Reading::Awaited { reader, .. } => match reader.pop() {
                Popped::Item(item) => Some(item),
                Popped::Empty | Popped::Shut => None,
            },
            _ => None,
        }
    }

    /// Ends the branch, behind what is queued.
    pub fn end(mut self, end: Result<(), E>) {
        let Some(writer) = self.writer.take() else { return };
        let before = lock(&self.shared.end).replace(end);
        drop(before);
        if writer.shut() || self.kept {
            self.wake();
        }
        self.rest();
    }

    fn fail(&mut self, fault: Fault) {
        self.look();
        if !self.is_gone()
            && let Some(seen) = lock(&self.shared.post).seen.clone()
        {
            seen.broke();
        }
        match (&self.stem, &self.host) {
            (Some(stem), _) => stem.fail(fault),
            (None, Some(host)) => host.fail(fault),
            (None, None) => {
                let mut post = lock(&self.shared.post);
                match &mut post.reading {
                    Reading::Awaited { fault: waiting, .. } => *waiting = Some(fault),
                    Reading::Here(stem) => {
                        let stem = stem.clone();
                        drop(post);
                        stem.fail(fault);
                    }
                    Reading::Hosted(host) => {
                        let host = host.clone();
                        drop(post);
                        host.fail(fault);
                    }
                    Reading::Gone => {}
                }
            }
        }
        self.rest();
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Feeder<T, E> {
    fn drop(&mut self) {
        self.rest();
        if let Some(writer) = self.writer.take()
            && !(self.over || self.is_gone())
        {
            let mut orphan = Feeder {
                writer: None,
                shared: self.shared.clone(),
                stem: self.stem.take(),
                host: self.host.take(),
                rooted: self.rooted,
                place: None,
                queued: false,
                kept: false,
                hungry: false,
                over: false,
                seen: self.seen,
            };
            let orphans = self.shared.desk.orphans.clone();
            lock(&orphans).push(Box::new(move |fault| {
                // No item follows: the writer lives until it is known why.
                drop(writer);
                orphan.fail(fault);
            }));
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Feeder<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeder")
            .field("hungry", &self.hungry)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// A branch: a publisher for one subscriber. Dropped without being subscribed to, it discards
/// what it holds, and what comes.
#[must_use = "a branch that nobody reads holds up the others, one that is dropped does not"]
pub struct Branch<T: Send + 'static, E: Send + 'static> {
    /// Here until it is subscribed to.
    shared: Option<Arc<Shared<T, E>>>,
    discards: Discards,
    seen: Seen,
    /// Where somebody looks.
    watch: Option<Box<Watch>>,
}

impl<T: Send + 'static, E: Send + 'static> Publisher for Branch<T, E> {
    type Item = T;
    type Error = E;
    const HOSTED: bool = true;

    fn subscribe<S: Subscriber<T, E>>(mut self, subscriber: S) {
        let Some(shared) = self.shared.clone() else { return };
        let told = Told(shared.clone());
        join_fed(
            shared.clone(),
            move |stem, context| {
                drop(self.shared.take());
                let watch = match (&self.seen, stem.panel()) {
                    (Seen::Alone(site), Some(panel)) => {
                        let queue = shared.queue();
                        queue.map(|(capacity, queue)| {
                            Box::new(Watch::new(panel.gauge(context, *site, capacity), queue))
                        })
                    }
                    _ => self.watch.take(),
                };
                let mut post = lock(&shared.post);
                post.context = context.clone();
                post.seen = watch.as_ref().map(|watch| watch.reading.clone());
                let here = Reading::Here(stem.clone());
                let before = std::mem::replace(&mut post.reading, here);
                drop(post);
                let Reading::Awaited { reader, fault } = before else {
                    unreachable!("a branch is subscribed to once")
                };
                if let Some(fault) = fault {
                    if let Some(watch) = &watch {
                        watch.reading.broke();
                    }
                    stem.fail(fault);
                }
                let discards = context.discards().clone();
                Limb {
                    reader: Some(reader),
                    shared,
                    discards,
                    watch,
                    taken: 0,
                    low: u64::MAX,
                    over: false,
                }
            },
            subscriber,
        );
        drop(told);
    }

    /// Where nobody looks.
    fn into_pull(
        mut self,
        context: Context,
    ) -> Result<impl Pull<Item = T, Error = E>, Branch<T, E>> {
        let Some(host) = context.host::<Bell>().filter(|_| self.watch.is_none()) else {
            return Err(self);
        };
        let Some(shared) = self.shared.take() else { return Err(self) };
        let rooted = shared.desk.place(host).is_some();
        let mut post = lock(&shared.post);
        post.context = context.upstream();
        let before = std::mem::replace(&mut post.reading, Reading::Hosted(host.clone()));
        drop(post);
        let Reading::Awaited { reader, fault } = before else {
            unreachable!("a branch is read once")
        };
        if let Some(fault) = fault {
            host.fail(fault);
        }
        let capacity = reader.capacity() as u64;
        let limb = Limb {
            reader: Some(reader),
            shared: shared.clone(),
            discards: context.discards().clone(),
            watch: None,
            taken: 0,
            low: capacity - capacity / 4,
            over: false,
        };
        if rooted {
            shared.desk.note(shared.n);
        } else {
            drop(Told(shared));
        }
        Ok(limb)
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Branch<T, E> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        Note::leave(&shared.desk.cause, |note| note);
        let before = std::mem::replace(&mut lock(&shared.post).reading, Reading::Gone);
        let told = Told(shared);
        if let Reading::Awaited { mut reader, .. } = before {
            if let Some(watch) = &self.watch {
                watch.reading.close(reader.leave(), watch.end);
            }
            reader.close(|item| self.discards.discard(item));
        }
        drop(told);
    }
}

/// Tells the trunk that a branch is read, or has gone, whatever the destructors of items did.
struct Told<T, E>(Arc<Shared<T, E>>);

impl<T, E> Drop for Told<T, E> {
    fn drop(&mut self) {
        // The trunk may send items to others.
        afresh(|| self.0.desk.tell(self.0.n));
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Branch<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Branch")
    }
}

/// What the island of a branch pulls.
struct Limb<T: Send + 'static, E: Send + 'static> {
    /// Here until it is dropped.
    reader: Option<Reader<T>>,
    shared: Arc<Shared<T, E>>,
    discards: Discards,
    /// Where somebody looks.
    watch: Option<Box<Watch>>,
    /// Items that were taken since the trunk's note was looked at.
    taken: u64,
    /// After how many it is; never where an island does so.
    low: u64,
    /// Whether the end was taken: the feeder has gone before.
    over: bool,
}

impl<T: Send + 'static, E: Send + 'static> Limb<T, E> {
    #[cold]
    fn over(&mut self) -> Pulled<T, E> {
        let (end, pulled) = match lock(&self.shared.end).take() {
            Some(Err(error)) => (State::Failed, Pulled::Error(error)),
            _ => (State::Completed, Pulled::Complete),
        };
        self.over = true;
        if let Some(watch) = &mut self.watch {
            watch.end = Some(end);
        }
        pulled
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Limb<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        loop {
            let Some(reader) = &mut self.reader else { return Pulled::Complete };
            match reader.pop() {
                Popped::Item(item) => {
                    self.taken += 1;
                    if self.taken == self.low {
                        self.taken = 0;
                        self.shared.room();
                    }
                    return Pulled::Item(item);
                }
                Popped::Empty => {
                    if reader.sleep() {
                        if self.low != u64::MAX {
                            self.shared.room();
                        }
                        return Pulled::Pending;
                    }
                }
                Popped::Shut => return self.over(),
            }
        }
    }

    /// From the feeder, which knows that nothing is in the ring.
    #[inline]
    fn pull_handed<H: Send + 'static>(
        &mut self,
        handed: &mut Handed<H>,
        mut each: impl FnMut(T) -> bool,
    ) -> Pulled<T, E> {
        if let Some(item) = handed.take(number(&self.shared))
            && !each(item)
        {
            return Pulled::Skipped;
        }
        Pulled::Pending
    }

    fn look_ahead(&mut self, _started: bool) -> Pulled<T, E> {
        loop {
            let Some(reader) = &mut self.reader else { return Pulled::Complete };
            match reader.look() {
                Look::Items => return Pulled::Pending,
                // To be told of the end, for which no demand is needed.
                Look::Nothing => {
                    if reader.sleep() {
                        return Pulled::Pending;
                    }
                }
                Look::Over => return self.over(),
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Limb<T, E> {
    fn drop(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        // Before it is seen to have gone.
        Note::leave(&self.shared.desk.cause, |note| note);
        let here = std::mem::replace(&mut lock(&self.shared.post).reading, Reading::Gone);
        // Nobody is left to be told of one that is over.
        let told = (!self.over).then(|| Told(self.shared.clone()));
        if let Some(watch) = &self.watch {
            watch.reading.close(reader.leave(), watch.end);
        }
        reader.close(|item| self.discards.discard(item));
        drop(told);
        drop(here);
    }
}
