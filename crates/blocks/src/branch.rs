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
//! [handed](Way::hand) each item as it comes: no queue, and no call that the compiler does not see
//! through. Its trunk is an island all the same: others run it where they ask for items of branches
//! that are read elsewhere, and what they find for a branch in place goes into its ring.
//!
//! | state of a branch | reader of the ring | the trunk |
//! |---|---|---|
//! | unread: nobody has subscribed | nobody | pushes; may take out what is oldest |
//! | read | in the island | pushes, and rings if the reader sleeps |
//! | hungry: read, with demand, and nothing to send | in the island | may keep the turn, and then sends directly |
//! | hosted: pulled by a host that is told | in the host | pushes, and rings the host if the reader sleeps |
//! | in place: hosted by who may run the trunk | in the host | as hosted; or hands items over, in the host's turn, while the ring is empty |
//! | gone: cancelled, over, or dropped unread | dropped | gets its items back |
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `post`: who reads | anyone, under its lock | any |
//! | `waits`: whether the trunk waits for room | set by the feeder, taken by the reader, each by an exchange | any |
//! | `end` | written by the feeder before the ring is shut, taken by the reader after it saw that | |
//! | whether its host visits the trunk, and was told of something | who has the turn of the trunk | |
//! | the island's turn | whoever entered it; the feeder while it keeps it | |
//! | `news` of the desk | set by branches, cleared by the trunk | a hint: the bell follows |
//!
//! * **No wake-up is lost.** A branch that becomes hungry, or goes, leaves its mark and rings the
//!   trunk after it gave its turn up. A trunk that finds a ring full notes that it waits, and
//!   tries once more; a branch looks at that note whenever it gives its turn up. Both do so by an
//!   exchange of the same word, so the later of the two sees what the earlier did before.
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
//! * **A host that visits is not rung.** What is put into a queue of its own in its visit leaves its mark,
//!   and the visit says that there is something: the host looks again before it rests, as it does after
//!   each item.
//! * **A host that takes a branch on** leaves a mark and rings nobody: the trunk feeds what is in place in
//!   a visit of that host only, and hears of it there. A branch whose end was read has nobody to tell
//!   that it goes: its feeder has gone before.
//! * **The order is kept** where items are handed, because only the feeder fills the ring, and there is
//!   a [`Way`] only when the reader has taken all that was in there. Whoever keeps one forgets it when
//!   something is sent.
//! * **The end.** A feeder ends its branch behind what is queued. One that is dropped without an
//!   end waits at the desk until it is known why the trunk is gone, and then tells that: the fault
//!   that broke it, or [`Fault::SourceDropped`].
//! * **A branch that goes** for a [failure](crate::cause) notes it at the desk before it is seen to have
//!   gone.
//! * **Where somebody looks** ([`Seen`]) items go through the ring always, since what came and what
//!   went are its indices. Of a branch that nobody looks at nothing is counted.
//! * **One allocation**: the ring, which [begins small](crate::ring), and all else that its two ends
//!   share. Items that are handed need no more room than for the first.
//! * **Nothing keeps itself alive.** A branch that goes clears its post, but for the context of
//!   whoever read it: that is for items which still come. One without an island that was read to its
//!   end leaves that to who is last: its feeder is gone, or just going.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, Fault, Handed, Hands, More, Publisher,
    Pull, Pulled, Subscriber, Subscription, Supply, give,
};
use millstream_sync::{AtomicU64, AtomicUsize, Mutex, Ordering, UnsafeCell, lock};

use crate::bell::{Bell, Host, Marks};
use crate::cause::{Note, afresh};
use crate::gauge::{self, Gauge, Site, State};
use crate::island::{Direct, Feeds, Island, Rests, join, join_fed, join_visited};
use crate::ring::{self, Holds, Look, Popped, Pushed, Ring};

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
    let caller = Arc::new(Caller {
        host: Mutex::new(Some(host.clone())),
        address: AtomicUsize::new(host.address()),
        calls: AtomicU64::new(0),
        visit: AtomicU64::new(AWAY),
    });
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
    /// Lends what the trunk runs to its host, which has its own turn, for the time of `f`. Whether the
    /// host is to look again before it rests, at its branches and at this: as `f` says, or because
    /// something is in a queue that it reads. `false` where the trunk is over, or is run by somebody
    /// else just now: then the host is rung when that one rests.
    pub fn visit(&self, f: impl FnOnce(&mut P) -> bool) -> bool {
        let told = Cell::new(false);
        let visited = self.island.visit(
            || self.caller.call(),
            |trunk| {
                let _visit = Visit::begin(&self.caller, &told);
                f(trunk)
            },
        );
        visited.unwrap_or(false) || told.get()
    }

    /// Lets the trunk do what there is to do without its host.
    pub fn ring(&self) {
        Host::ring(&*self.island);
    }
}

impl<P: Pull<Item = Infallible, Error = Infallible>> Drop for Root<P> {
    fn drop(&mut self) {
        // ordering: relaxed; see `Desk::place`.
        self.caller.address.store(0, Ordering::Relaxed);
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
    /// Which it is, likewise; else zero.
    address: AtomicUsize,
    calls: AtomicU64,
    /// Whether it visits the trunk. For whoever has the turn of the trunk.
    visit: AtomicU64,
}

/// The host does not visit.
const AWAY: u64 = 0;
/// It does.
const HERE: u64 = 1;
/// It does, and something is in a queue that it reads.
const TOLD: u64 = 2;

/// A visit, which ends by a panic too.
struct Visit<'a> {
    caller: &'a Caller,
    told: &'a Cell<bool>,
}

impl<'a> Visit<'a> {
    fn begin(caller: &'a Caller, told: &'a Cell<bool>) -> Visit<'a> {
        // ordering: relaxed; handed over with the turn of the trunk, as all of `visit`.
        caller.visit.store(HERE, Ordering::Relaxed);
        Visit { caller, told }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // ordering: relaxed; as in `begin`.
        self.told.set(self.caller.visit.load(Ordering::Relaxed) == TOLD);
        self.caller.visit.store(AWAY, Ordering::Relaxed);
    }
}

impl Caller {
    /// Whoever has the turn of the trunk, or is told that it is to look again, rings the host.
    fn call(&self) {
        // ordering: relaxed; handed over by the word of the trunk: to who has its turn already, or
        // by the signal that follows (model `a_visit_races_a_request_of_another_branch`).
        self.calls.store(1, Ordering::Relaxed);
    }

    /// There is something for the host of this bell, which is that of the trunk, in that place: in a
    /// visit it is told when that is over.
    fn ring(&self, host: &Bell, place: Option<usize>) {
        // ordering: relaxed; handed over with the turn of the trunk, which the caller has.
        if self.visit.load(Ordering::Relaxed) == AWAY {
            return host.ring_for(place);
        }
        host.mark(place);
        // ordering: relaxed; as above.
        self.visit.store(TOLD, Ordering::Relaxed);
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

    /// Where the host of the trunk is that of this bell, in that context: the place that is meant.
    fn place(&self, bell: &Bell, context: &Context) -> Option<Option<usize>> {
        let caller = self.caller.as_ref()?;
        // ordering: relaxed; whoever asks is that host, in the turn in which it goes too, or another:
        // that has the address of one which is gone only after its memory was freed.
        let same = caller.address.load(Ordering::Relaxed) == bell.address();
        same.then(|| context.place().or(bell.place()))
    }

    /// Whether the host of the trunk, if it had one, is there.
    fn has_host(&self) -> bool {
        // ordering: relaxed; one that goes takes its branches with it.
        let there = |caller: &Arc<Caller>| caller.address.load(Ordering::Relaxed) != 0;
        self.caller.as_ref().is_some_and(there)
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

/// Branch number `n` of a trunk: what it is fed by, and what is handed out, with its `first` item in
/// it, if there is one. What it takes and never delivers goes to the discards of `context`, or of its
/// subscriber.
pub fn branch<T: Send + 'static, E: Send + 'static>(
    desk: &Arc<Desk>,
    n: usize,
    capacity: NonZeroUsize,
    context: &Context,
    seen: Seen,
    first: Option<T>,
) -> (Feeder<T, E>, Branch<T, E>) {
    let (gauge, alone) = match seen {
        Seen::Together(gauge) => (gauge, None),
        Seen::Alone(site) => (None, Some(Box::new(site))),
    };
    // What is counted is put in when it can be.
    let (first, counted) = if gauge.is_some() { (None, first) } else { (first, None) };
    let shared = Shared::new(desk.clone(), n, Ring::small(capacity, first));
    // SAFETY: the ring has just been made, and this is its one writer (every model begins with it).
    let mut writer = unsafe { Writer::of(Held(shared.clone())) };
    let watch = gauge.map(|gauge| {
        writer.count();
        let watch = Box::new(Watch::new(gauge, shared.clone()));
        lock(&shared.post).seen = Some(watch.reading.clone());
        watch
    });
    let mut feeder = Feeder {
        writer,
        stem: None,
        host: None,
        rooted: false,
        place: None,
        kept: false,
        hungry: false,
        over: false,
        ended: false,
        seen: watch.is_some(),
    };
    if let Some(Sent::Full(item) | Sent::Gone(item)) = counted.map(|item| feeder.send(item)) {
        // Nobody has it yet, and it has room for one.
        context.discards().discard(item);
    }
    let discards = context.discards().clone();
    (feeder, Branch { shared: Some(shared), discards, alone, watch })
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

/// What its two ends share, in one allocation.
#[repr(C)]
struct Shared<T, E> {
    // First: it is laid out for that.
    ring: Ring<T>,
    desk: Arc<Desk>,
    n: usize,
    post: Mutex<Post<T>>,
    /// Not zero where the trunk found the ring full.
    waits: AtomicU64,
    end: UnsafeCell<Option<Result<(), E>>>,
}

// SAFETY: `end` is reached by the feeder before it shuts the ring, and by the reader after it saw that
// (models `the_end_races_a_request`, `the_end_races_a_request_of_a_host`); it and the items move
// between threads, hence `Send`. All else is shared as it is.
unsafe impl<T: Send, E: Send> Sync for Shared<T, E> {}

impl<T, E> Shared<T, E> {
    #[inline]
    fn new(desk: Arc<Desk>, n: usize, ring: Ring<T>) -> Arc<Shared<T, E>> {
        // In two steps, as an island is: made before there is memory for it, it would be copied, with
        // all that is left free in a ring.
        let place = Arc::<Shared<T, E>>::new_uninit();
        let post = Post {
            reading: Reading::Awaited { fault: None },
            context: Context::default(),
            seen: None,
        };
        let shared = Shared {
            ring,
            desk,
            n,
            post: Mutex::new(post),
            waits: AtomicU64::new(0),
            end: UnsafeCell::new(None),
        };
        // SAFETY: `place` has just been made, so nobody else can read or write it (every model begins
        // with it), and it is initialised when it is said to be.
        unsafe {
            Arc::as_ptr(&place).cast_mut().write(MaybeUninit::new(shared));
            place.assume_init()
        }
    }
}

/// How an end has the ring.
struct Held<T, E>(Arc<Shared<T, E>>);

// SAFETY: an `Arc` keeps what it points to, in its place.
unsafe impl<T, E> Holds<T> for Held<T, E> {
    #[inline]
    fn ring(&self) -> &Ring<T> {
        &self.0.ring
    }
}

type Writer<T, E> = ring::Writer<T, Held<T, E>>;
type Reader<T, E> = ring::Reader<T, Held<T, E>>;

impl<T: Send + 'static, E: Send + 'static> gauge::Queue for Shared<T, E> {
    fn levels(&self) -> gauge::Levels {
        self.ring.levels()
    }
}

impl<T: Send + 'static, E: Send + 'static> Shared<T, E> {
    /// Whether the trunk waited for room, which was made, or because nothing was left.
    fn waited(&self) -> bool {
        // ordering: acquire and release pair with the exchange of `wait`: of the two the later sees
        // what the earlier did before, which is to take items here, or to look for room there (models
        // `room_races_the_trunk_that_waits_for_it`, `room_made_by_a_host_races_the_trunk_that_waits_for_it`).
        self.waits.swap(0, Ordering::AcqRel) != 0
    }

    /// The trunk waits for room: it looks once more after this.
    fn wait(&self) {
        // ordering: acquire and release; see `waited`.
        self.waits.swap(1, Ordering::AcqRel);
    }

    /// Room was made, or nothing is left, by a reader without an island.
    #[cold]
    fn room(&self) {
        if self.waited() {
            self.desk.tell(self.n);
        }
    }

    /// Ends the branch with `fault`, where somebody reads it or may do so yet.
    fn fail(&self, fault: Fault) {
        let mut post = lock(&self.post);
        let seen = post.seen.clone();
        let broke = || {
            if let Some(seen) = seen {
                seen.broke();
            }
        };
        match &mut post.reading {
            Reading::Awaited { fault: waiting } => {
                *waiting = Some(fault);
                drop(post);
                broke();
            }
            Reading::Here(stem) => {
                let stem = stem.clone();
                drop(post);
                broke();
                stem.fail(fault);
            }
            Reading::Hosted { context, .. } => {
                let context = context.clone();
                drop(post);
                broke();
                if let Some(host) = context.host::<Bell>() {
                    host.fail(fault);
                }
            }
            Reading::Gone => {}
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
    /// Of whoever reads, or has read.
    context: Context,
    /// Where somebody looks.
    seen: Option<gauge::Reading>,
}

enum Reading<T> {
    /// Nobody has subscribed. A fault goes to whoever does.
    Awaited { fault: Option<Fault> },
    /// By this island.
    Here(Arc<dyn Direct<T>>),
    /// By the host whose bell is in this context; where that is the host of the trunk, the place in
    /// which it holds the branch.
    Hosted { context: Context, place: Option<Option<usize>> },
    /// Nobody will.
    Gone,
}

impl<T: Send + 'static, E: Send + 'static> Feeds for Shared<T, E> {
    fn news(&self, hungry: bool) {
        let waited = self.waited();
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

/// The way past the ring of a branch that is held in place by the host of its trunk. Whoever keeps it
/// for the items to come forgets it as soon as something is [sent](Feeder::send) to the branch, or the
/// branch is let go: then the ring comes first, or there is none.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    place: usize,
    number: usize,
}

impl Way {
    /// None: no host has that place.
    pub const NONE: Way = Way { place: usize::MAX, number: 0 };

    /// Hands an item to the branch, where the host has these `hands`. Whether another may follow.
    ///
    /// # Errors
    /// The item, where the branch does not take it.
    #[inline]
    pub fn hand<T: Send + 'static>(&self, item: T, hands: &mut impl Hands) -> Result<bool, T> {
        let mut handed = Handed::new(item);
        let goes_on = hands.hand(self.place, self.number, &mut handed);
        handed.into_item().map_or(Ok(goes_on), Err)
    }

    /// As [`hand`](Way::hand), for all that `supply` gives, one after another.
    #[inline]
    pub fn hand_all(&self, supply: &mut impl Supply, hands: &mut impl Hands) {
        hands.hand(self.place, self.number, supply);
    }
}

/// The end of a branch that the trunk has.
pub struct Feeder<T: Send + 'static, E: Send + 'static> {
    writer: Writer<T, E>,
    /// The island that reads, once it was needed.
    stem: Option<Arc<dyn Direct<T>>>,
    /// Or the context with the bell of the host that pulls, likewise.
    host: Option<Context>,
    /// Whether that is the host of the trunk.
    rooted: bool,
    /// The place in which it holds the branch.
    place: Option<usize>,
    /// Whether this keeps the turn of the island.
    kept: bool,
    hungry: bool,
    /// Whether the island was seen to be over.
    over: bool,
    /// Whether this has told the end.
    ended: bool,
    /// Whether somebody looks: then all items go through the ring.
    seen: bool,
}

impl<T: Send + 'static, E: Send + 'static> Feeder<T, E> {
    #[inline]
    fn shared(&self) -> &Arc<Shared<T, E>> {
        &self.writer.holds().0
    }

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

    /// Whether nothing is in the ring, as far as can be told.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.writer.is_drained()
    }

    /// The way past the ring, where the host of the trunk holds the branch in place and nothing is in the
    /// ring.
    #[inline]
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        let place = self.place?;
        let drained = self.writer.is_drained();
        drained.then(|| Way { place, number: number(self.shared()) })
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
        self.stem.is_some() || !matches!(lock(&self.shared().post).reading, Reading::Awaited { .. })
    }

    /// Whether nobody will read, or read on.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(lock(&self.shared().post).reading, Reading::Gone)
    }

    /// The context of whoever has subscribed.
    #[must_use]
    pub fn context(&mut self) -> Context {
        self.look();
        let post = lock(&self.shared().post);
        match &post.reading {
            Reading::Hosted { context, .. } => {
                let context = context.clone();
                drop(post);
                context.upstream()
            }
            _ => post.context.clone(),
        }
    }

    /// Whether the branch has nothing to send, and not only room for more; else there is news of it
    /// when that may have changed.
    pub fn starves(&mut self) -> bool {
        if !self.hungry || self.host.is_none() {
            return self.hungry;
        }
        // The note first: a reader leaves its mark in the ring, and then looks for the note.
        self.shared().wait();
        self.writer.is_awaited()
    }

    /// Puts an item into the ring, where that is its way and there is room. It comes back where there
    /// is more to do: see [`send`](Feeder::send). Where it does not, nothing else has changed.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.hungry && self.host.is_none() {
            return Err(item);
        }
        match self.writer.push(item) {
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
        let pushed = match self.writer.push(item) {
            Pushed::Full(item) => {
                self.shared().wait();
                self.writer.push(item)
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

    /// Looks who reads, if that is not known.
    fn look(&mut self) {
        if self.stem.is_none() && self.host.is_none() {
            self.find_reader();
        }
    }

    /// Whether nobody will read, or read on.
    fn find_reader(&mut self) -> bool {
        let shared = &self.writer.holds().0;
        let post = lock(&shared.post);
        match &post.reading {
            Reading::Here(stem) => self.stem = Some(stem.clone()),
            Reading::Hosted { context, place } => {
                if let Some(place) = place
                    && shared.desk.has_host()
                {
                    (self.rooted, self.place) = (true, *place);
                }
                self.host = Some(context.clone());
            }
            Reading::Awaited { .. } => return false,
            Reading::Gone => return true,
        }
        if post.seen.is_some() && !std::mem::replace(&mut self.seen, true) {
            drop(post);
            self.writer.count();
        }
        false
    }

    #[cold]
    fn wake(&mut self) {
        self.look();
        if let Some(stem) = &self.stem {
            stem.ring();
        } else if let Some(context) = &self.host
            && let Some(host) = context.host::<Bell>()
        {
            match &self.shared().desk.caller {
                Some(caller) if self.rooted => caller.ring(host, context.place()),
                _ => host.ring_for(context.place()),
            }
        }
    }

    /// Looks at the news of the branch; whether it has gone. Where it is hungry the turn of its
    /// island is kept, if nobody else has it.
    #[must_use = "a branch that has gone is to be dropped"]
    pub fn attend(&mut self) -> bool {
        let gone = if self.stem.is_none() && self.host.is_none() {
            self.find_reader()
        } else {
            self.stem.is_none() && self.is_gone()
        };
        let rests = match &self.stem {
            // SAFETY: `kept` says that this keeps the turn.
            Some(stem) if self.kept => unsafe { stem.attend() },
            Some(stem) => stem.enter(),
            None => {
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
        let post = lock(&self.shared().post);
        match &post.reading {
            // SAFETY: whoever reads makes its reader after it took this state, under the same lock
            // (model `the_oldest_is_taken_out_or_read`).
            Reading::Awaited { .. } => unsafe { self.shared().ring.take_oldest() },
            _ => None,
        }
    }

    /// Ends the branch, behind what is queued.
    pub fn end(mut self, end: Result<(), E>) {
        self.ended = true;
        self.shared().end.with_mut(|place| {
            // SAFETY: the ring is not shut yet, so no reader comes here, and there is one feeder
            // (models `the_end_races_a_request`, `the_end_races_a_request_of_a_host`).
            unsafe { *place = Some(end) };
        });
        if self.writer.shut_in_place() || self.kept {
            self.wake();
        }
        self.rest();
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Feeder<T, E> {
    fn drop(&mut self) {
        self.rest();
        if !(self.ended || self.over || self.is_gone()) {
            let shared = self.shared().clone();
            let orphans = shared.desk.orphans.clone();
            lock(&orphans).push(Box::new(move |fault| shared.fail(fault)));
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
    /// Where it is a boundary of its own.
    alone: Option<Box<Site>>,
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
                let watch = match (&self.alone, stem.panel()) {
                    (Some(site), Some(panel)) => {
                        let gauge = panel.gauge(context, **site, shared.ring.capacity());
                        Some(Box::new(Watch::new(gauge, shared.clone())))
                    }
                    _ => self.watch.take(),
                };
                drop(self.shared.take());
                let mut post = lock(&shared.post);
                post.context = context.clone();
                post.seen = watch.as_ref().map(|watch| watch.reading.clone());
                let here = Reading::Here(stem.clone());
                let before = std::mem::replace(&mut post.reading, here);
                drop(post);
                let Reading::Awaited { fault } = before else {
                    unreachable!("a branch is subscribed to once")
                };
                // SAFETY: whoever takes the state `Awaited` makes the one reader, and the lock is the
                // edge (model `the_oldest_is_taken_out_or_read`).
                let reader = unsafe { Reader::of(Held(shared)) };
                let mut limb = Limb::new(reader, context.discards().clone());
                if let Some(fault) = fault {
                    if let Some(watch) = &watch {
                        watch.reading.broke();
                    }
                    stem.fail(fault);
                }
                limb.watch = watch;
                limb
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
        let place = shared.desk.place(host, &context);
        let discards = context.discards().clone();
        let mut post = lock(&shared.post);
        let Reading::Awaited { fault } = std::mem::replace(&mut post.reading, Reading::Gone) else {
            unreachable!("a branch is read once")
        };
        let failed = fault.map(|fault| (fault, context.clone()));
        post.reading = Reading::Hosted { context, place };
        drop(post);
        let capacity = shared.ring.capacity() as u64;
        let told = match place {
            Some(_) => {
                shared.desk.note(shared.n);
                None
            }
            None => Some(Told(shared.clone())),
        };
        // SAFETY: as in `subscribe`.
        let mut limb = Limb::new(unsafe { Reader::of(Held(shared)) }, discards);
        limb.low = capacity - capacity / 4;
        if let Some((fault, context)) = failed
            && let Some(host) = context.host::<Bell>()
        {
            host.fail(fault);
        }
        drop(told);
        Ok(limb)
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Branch<T, E> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        Note::leave(&shared.desk.cause, |note| note);
        let before = std::mem::replace(&mut lock(&shared.post).reading, Reading::Gone);
        let told = Told(shared.clone());
        if let Reading::Awaited { .. } = before {
            // SAFETY: as in `subscribe`.
            let mut reader = unsafe { Reader::of(Held(shared)) };
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
// The number is all that is looked at where an item is handed: it is behind, near to what the stages of
// the reader keep.
#[repr(C)]
struct Limb<T: Send + 'static, E: Send + 'static> {
    /// Here until it is dropped.
    reader: Option<Reader<T, E>>,
    /// Where somebody looks.
    watch: Option<Box<Watch>>,
    /// Items that were taken since the trunk's note was looked at.
    taken: u64,
    /// After how many it is; never where an island does so.
    low: u64,
    discards: Discards,
    /// Whether the end was taken: the feeder has gone before.
    over: bool,
    number: usize,
}

impl<T: Send + 'static, E: Send + 'static> Limb<T, E> {
    fn new(reader: Reader<T, E>, discards: Discards) -> Limb<T, E> {
        let number = number(&reader.holds().0);
        let reader = Some(reader);
        Limb { reader, number, discards, watch: None, taken: 0, low: u64::MAX, over: false }
    }

    /// The reader saw that the ring is shut.
    #[cold]
    fn over(&mut self) -> Pulled<T, E> {
        let Some(reader) = &self.reader else { return Pulled::Complete };
        // SAFETY: the feeder wrote it before it shut the ring, and does not come here any more (models
        // `the_end_races_a_request`, `the_end_races_a_request_of_a_host`).
        let told = reader.holds().0.end.with_mut(|end| unsafe { (*end).take() });
        let (end, pulled) = match told {
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
                        reader.holds().0.room();
                    }
                    return Pulled::Item(item);
                }
                Popped::Empty => {
                    if reader.sleep() {
                        if self.low != u64::MAX {
                            reader.holds().0.room();
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
    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        each: impl FnMut(T) -> bool,
    ) -> Pulled<T, E> {
        if to != self.number {
            return Pulled::Pending;
        }
        give(supply, each);
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
        Note::leave(&reader.holds().0.desk.cause, |note| note);
        if self.over && self.low != u64::MAX {
            // Nobody is left to be told, and there is no item.
            return;
        }
        let shared = reader.holds().0.clone();
        let mut post = lock(&shared.post);
        let here = std::mem::replace(&mut post.reading, Reading::Gone);
        if let Reading::Hosted { context, .. } = &here {
            post.context = context.upstream();
        }
        drop(post);
        // Nobody is left to be told of one that is over.
        let told = (!self.over).then(|| Told(shared));
        if let Some(watch) = &self.watch {
            watch.reading.close(reader.leave(), watch.end);
        }
        reader.close(|item| self.discards.discard(item));
        drop(told);
        drop(here);
    }
}
