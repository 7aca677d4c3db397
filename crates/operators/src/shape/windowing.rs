//! Windows that are cut by a rule: `window`, `window_until`.
//!
//! One upstream, and a publisher for each stretch of its items: a [trunk](crate::shape::trunk) with
//! two branches at a time, the downstream that is sent windows and the window that is open. A
//! [`Cut`] says where an item belongs, and an [`Outside`] may complete the open window as well: a
//! timer need only ring the bell of the trunk.
//!
//! ```text
//!  upstream ─▶ trunk ─▶ Cut ─▶ the open window ─▶ its reader
//!                │      ▲      those that are complete end behind what they hold
//!                │   Outside
//!                └─▶ windows ─▶ downstream
//! ```
//!
//! A window has room for all its items, so it is completed whether or not somebody reads it, as soon
//! as downstream wants the next. Where a host holds windows in place it runs the trunk itself, and is
//! handed their items past their queues: those of one window in one loop of upstream, in which the
//! `Cut` and the `Outside` are looked at for each. A host that has been handed something comes again, or
//! looks ahead, before it rests; so what an `Outside` does in its look, as to set a timer, is done.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::branch::{Branch, Desk, Feeder, Seen, Sent, branch, trunk};
use millstream_blocks::gauge::Site;
use millstream_core::{Context, Hands, Publisher, Pull, Pulled, Subscriber, Supply};

use crate::shape::chunked::{Cut, Place};
use crate::shape::gathering::{Occasion, Outside, Word};
use crate::shape::hunger::Hunger;
use crate::shape::joined::Receiver;
use crate::shape::trunk::{Divide, InHand, Seer, Trunk, Went, connect, rooted};

/// The number of the branch to which windows are sent, and of that of the open window.
const OUT: usize = 0;
const OPEN: usize = 1;

/// Items of a stream, one after another: a publisher for one subscriber. See
/// [`Windows`](crate::chunk::Windows).
#[must_use = "a window that nobody reads holds its items; one that is dropped does not"]
pub struct Window<T: Send + 'static, E: Send + 'static>(pub(crate) Branch<T, E>);

impl<T: Send + 'static, E: Send + 'static> Publisher for Window<T, E> {
    type Item = T;
    type Error = E;
    const HOSTED: bool = <Branch<T, E> as Publisher>::HOSTED;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }

    fn into_pull(self, context: Context) -> Result<impl Pull<Item = T, Error = E>, Self> {
        self.0.into_pull(context).map_err(Window)
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Window<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Window")
    }
}

/// Nothing completes a window but its items.
struct Nothing<E>(PhantomData<fn() -> E>);

impl<E: 'static> Outside for Nothing<E> {
    type Error = E;

    #[inline]
    fn look(&mut self, _: Occasion) -> Word<E> {
        Word::Open
    }
}

/// Windows of at most `max` items, which nothing completes but their items: what `window` and its kin are.
#[derive(Clone)]
pub(crate) struct ByItems<P, C> {
    pub(crate) upstream: P,
    pub(crate) max: NonZeroUsize,
    pub(crate) cut: C,
    pub(crate) site: Site,
}

crate::opaque_debug::opaque_debug!(ByItems<P, C>, max);

impl<P, C> Publisher for ByItems<P, C>
where
    P: Publisher<Error: Clone>,
    C: Cut<P::Item>,
{
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;
    const HANDS: bool = P::PULLS;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let ByItems { upstream, max, cut, site } = self;
        windows(upstream, max, cut, |_| Nothing(PhantomData), site, subscriber);
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        let Some(host) = Receiver::of::<P>(&context) else { return Err(self) };
        let ByItems { upstream, max, cut, site } = self;
        let host = (host, context.upstream());
        Ok(windows_in_hand(upstream, max, cut, |_| Nothing(PhantomData), site, host))
    }
}

/// Sends windows of at most `max` items of `upstream` to `subscriber`. `outside` is given the desk
/// of the trunk, whose bell it rings.
pub(crate) fn windows<P, C, X, S>(
    upstream: P,
    max: NonZeroUsize,
    cut: C,
    outside: impl FnOnce(&Desk) -> X,
    site: Site,
    subscriber: S,
) where
    P: Publisher<Error: Clone>,
    C: Cut<P::Item>,
    X: Outside<Error = P::Error>,
    S: Subscriber<Window<P::Item, P::Error>, P::Error>,
{
    let context = subscriber.context();
    trunk(OPEN + 1, |desk| {
        let (trunk, windows) = divided(upstream, max, cut, outside, site, (desk, context, None));
        windows.subscribe(subscriber);
        trunk
    });
}

/// Windows for a host that holds them in place, and runs this itself.
pub(crate) fn windows_in_hand<P, C, X, O>(
    upstream: P,
    max: NonZeroUsize,
    cut: C,
    outside: O,
    site: Site,
    (host, above): (&Receiver, Context),
) -> impl Pull<Item = Window<P::Item, P::Error>, Error = P::Error> + use<P, C, X, O>
where
    P: Publisher<Error: Clone>,
    C: Cut<P::Item>,
    X: Outside<Error = P::Error>,
    O: FnOnce(&Desk) -> X,
{
    rooted(OPEN + 1, host, above, move |desk, above| {
        divided(upstream, max, cut, outside, site, (desk, above, Some(0)))
    })
}

/// What divides upstream, and the windows. `wanted` is how many a host would take.
fn divided<P, C, X, O>(
    upstream: P,
    max: NonZeroUsize,
    cut: C,
    outside: O,
    site: Site,
    (desk, context, wanted): (&Arc<Desk>, Context, Option<usize>),
) -> (impl InHand + use<P, C, X, O>, Windows<P::Item, P::Error>)
where
    P: Publisher<Error: Clone>,
    C: Cut<P::Item>,
    X: Outside<Error = P::Error>,
    O: FnOnce(&Desk) -> X,
{
    let seen = Seen::Together(None);
    let (out, windows) = branch(desk, OUT, NonZeroUsize::MIN, &context, seen, None);
    let bell = desk.bell().clone();
    let connect = move |seen: Seer<'_>| connect(upstream, max, bell, seen, site);
    let windowing = Windowing {
        cut,
        max: max.get(),
        outside: outside(desk),
        open: None,
        out: Some(out),
        wanted,
        held: None,
        desk: desk.clone(),
        context,
    };
    (Trunk::new(desk, windowing, connect), windows)
}

type Windows<T, E> = Branch<Window<T, E>, E>;

struct Windowing<T: Send + 'static, E: Send + 'static, C, X> {
    cut: C,
    max: usize,
    outside: X,
    open: Option<Open<T, E>>,
    /// Downstream, until it is over.
    out: Option<Feeder<Window<T, E>, E>>,
    /// How many windows the host of the trunk would take, where it has one.
    wanted: Option<usize>,
    /// An item that begins a window which nobody asked for yet, and whether it completes it.
    held: Option<(T, Ends)>,
    desk: Arc<Desk>,
    context: Context,
}

/// The window that is open.
struct Open<T: Send + 'static, E: Send + 'static> {
    /// Until its reader has gone; then its items are counted and discarded.
    feeder: Option<Feeder<T, E>>,
    count: usize,
}

/// The items of upstream for the open window, which is in place: one loop of upstream for all.
struct Run<'a, U: Pull, C, X: Outside, G> {
    upstream: &'a mut U,
    cut: &'a mut C,
    outside: &'a mut X,
    /// How many more the window has room for.
    left: usize,
    /// The last one completes it.
    last: bool,
    /// One that is not for it, and where that belongs.
    aside: Option<(Place, U::Item)>,
    /// What the outside said last.
    word: Word<X::Error>,
    /// Whether another may follow.
    goes_on: G,
    /// What upstream said; `None` where nothing was taken.
    pulled: Option<Pulled<U::Item, U::Error>>,
}

impl<U, C, X, G> Supply for Run<'_, U, C, X, G>
where
    U: Pull,
    C: Cut<U::Item>,
    X: Outside,
    G: FnMut() -> bool,
{
    type Item = U::Item;

    #[inline]
    fn give(&mut self, mut each: impl FnMut(U::Item) -> bool) {
        let Run { upstream, cut, outside, left, last, aside, word, goes_on, pulled } = self;
        let mut more = *left;
        let said = upstream.pull_while(|item| {
            let place = cut.place(&item, true);
            match place {
                Place::Within => {}
                Place::Last => *last = true,
                Place::First | Place::Alone | Place::Between => {
                    *aside = Some((place, item));
                    return false;
                }
            }
            more -= 1;
            if !each(item) || more == 0 || *last {
                return false;
            }
            *word = outside.look(Occasion::Item);
            matches!(word, Word::Open) && goes_on()
        });
        *left = more;
        *pulled = Some(said);
    }
}

/// Whether an item completes its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Here,
    Later,
}

impl<T, E, C, X> Windowing<T, E, C, X>
where
    T: Send + 'static,
    E: Clone + Send + 'static,
    C: Cut<T>,
    X: Outside<Error = E>,
{
    /// The item is for the open window, or for a new one.
    #[inline]
    fn put(&mut self, item: T, ends: Ends, hunger: &mut Hunger) {
        let Some(open) = &mut self.open else { return self.begin(item, ends, hunger) };
        open.count += 1;
        let full = open.count == self.max;
        let sent = match &mut open.feeder {
            Some(feeder) => hunger.send(OPEN, feeder, item),
            None => Sent::Gone(item),
        };
        // There is room for all of a window.
        if let Sent::Full(item) | Sent::Gone(item) = sent {
            self.reader_is_gone(hunger);
            self.context.discards().discard(item);
        }
        if full || ends == Ends::Here {
            self.complete(hunger);
        }
    }

    /// The item begins a window: the first of them that is asked for.
    #[cold]
    fn begin(&mut self, item: T, ends: Ends, hunger: &mut Hunger) {
        let Some(out) = &mut self.out else { return self.context.discards().discard(item) };
        // A host takes one at a time, and tries this again when it has.
        let waits = self.wanted.is_some_and(|wanted| wanted == 0 || !out.is_drained());
        if waits || !out.is_hungry() {
            self.held = Some((item, ends));
            return;
        }
        let room = NonZeroUsize::new(self.max).unwrap_or(NonZeroUsize::MIN);
        // Windows have no line on the board: there is no number that bounds what all of them hold.
        let seen = Seen::Together(None);
        let (feeder, items) = branch(&self.desk, OPEN, room, &self.context, seen, Some(item));
        self.open = Some(Open { feeder: Some(feeder), count: 1 });
        self.outside.begun();
        match hunger.send(OUT, out, Window(items)) {
            Sent::Taken => self.wanted = self.wanted.map(|wanted| wanted - 1),
            // It was hungry, so there is room for one; if not, it has gone.
            Sent::Full(window) | Sent::Gone(window) => {
                drop(window);
                self.downstream_is_gone(hunger);
            }
        }
        if self.max == 1 || ends == Ends::Here {
            self.complete(hunger);
        }
    }

    /// The open window, if there is one, ends behind what it holds.
    fn complete(&mut self, hunger: &mut Hunger) {
        let Some(open) = self.open.take() else { return };
        self.outside.completed();
        if let Some(feeder) = open.feeder {
            hunger.forget(&feeder);
            feeder.end(Ok(()));
        }
    }

    fn reader_is_gone(&mut self, hunger: &mut Hunger) {
        if let Some(open) = &mut self.open
            && let Some(feeder) = open.feeder.take()
        {
            hunger.forget(&feeder);
        }
    }

    #[inline]
    fn place(&mut self, place: Place, item: T, hunger: &mut Hunger) {
        match place {
            Place::Within => self.put(item, Ends::Later, hunger),
            Place::Last => self.put(item, Ends::Here, hunger),
            Place::First => {
                self.complete(hunger);
                self.begin(item, Ends::Later, hunger);
            }
            Place::Alone => {
                self.complete(hunger);
                self.begin(item, Ends::Here, hunger);
            }
            Place::Between => {
                self.complete(hunger);
                self.context.discards().discard(item);
            }
        }
    }

    fn downstream_is_gone(&mut self, hunger: &mut Hunger) {
        if let Some(out) = self.out.take() {
            hunger.forget(&out);
        }
        if let Some((item, _)) = self.held.take() {
            self.context.discards().discard(item);
        }
    }
}

impl<T, E, C, X> Divide for Windowing<T, E, C, X>
where
    T: Send + 'static,
    E: Clone + Send + 'static,
    C: Cut<T>,
    X: Outside<Error = E>,
{
    type Item = T;
    type Error = E;

    fn attend(&mut self, n: usize, hunger: &mut Hunger) {
        if n == OUT {
            if let Some(out) = &mut self.out
                && hunger.attend(OUT, out)
            {
                self.downstream_is_gone(hunger);
            }
        } else if let Some(open) = &mut self.open
            && let Some(feeder) = &mut open.feeder
            // Windows that are complete have news as well, which is nothing to this one.
            && hunger.attend(OPEN, feeder)
        {
            self.reader_is_gone(hunger);
        }
    }

    fn retry(&mut self, hunger: &mut Hunger) {
        match self.outside.look(Occasion::Idle) {
            Word::Open => {}
            Word::Complete => self.complete(hunger),
            Word::Failed(error) => {
                return self.finish(Err(error), hunger);
            }
        }
        if let Some((item, ends)) = self.held.take() {
            self.begin(item, ends, hunger);
        }
    }

    /// Nothing is subscribed for a downstream that has already gone.
    fn connects(&mut self) -> Option<Context> {
        self.out.is_some().then(|| self.context.clone())
    }

    #[inline]
    fn route(&mut self, item: T, hunger: &mut Hunger) {
        let place = self.cut.place(&item, self.open.is_some());
        self.place(place, item, hunger);
    }

    /// One that was not handed in a run.
    fn hand(&mut self, item: T, hunger: &mut Hunger, _: &mut impl Hands) -> Went {
        self.route(item, hunger);
        // A window that was begun is to be in place before the next item comes.
        if self.open.as_ref().is_some_and(|open| open.count == 1) {
            return Went::Stopped;
        }
        Went::Queued
    }

    #[inline]
    fn hand_run(
        &mut self,
        upstream: &mut impl Pull<Item = T, Error = E>,
        goes_on: impl FnMut() -> bool + Copy,
        hunger: &mut Hunger,
        hands: &mut impl Hands,
    ) -> Option<Pulled<T, E>> {
        let Windowing { open, cut, outside, max, .. } = self;
        let open = open.as_mut()?;
        let left = *max - open.count;
        let mut run = Run {
            upstream,
            cut,
            outside,
            left,
            last: false,
            aside: None,
            word: Word::Open,
            goes_on,
            pulled: None,
        };
        open.feeder.as_ref()?.way()?.hand_all(&mut run, hands);
        let Run { left, last, aside, word, pulled, .. } = run;
        open.count = *max - left;
        if last || left == 0 {
            // The host is to see that before it is given the next.
            self.complete(hunger);
        }
        if let Some((place, item)) = aside {
            self.place(place, item, hunger);
        }
        match word {
            Word::Open => {}
            Word::Complete => self.complete(hunger),
            Word::Failed(error) => return Some(Pulled::Error(error)),
        }
        pulled
    }

    fn grant(&mut self, room: usize, hunger: &mut Hunger) {
        self.wanted = Some(room);
        if let Some((item, ends)) = self.held.take() {
            self.begin(item, ends, hunger);
        }
    }

    /// Downstream, where it would take no window.
    fn spared(&self) -> usize {
        let hungry = self.out.as_ref().is_some_and(Feeder::is_hungry);
        usize::from(hungry && self.wanted == Some(0))
    }

    #[inline]
    fn is_held(&self) -> bool {
        self.held.is_some()
    }

    fn finish(&mut self, end: Result<(), E>, hunger: &mut Hunger) {
        if let Some(open) = self.open.take()
            && let Some(feeder) = open.feeder
        {
            self.outside.completed();
            hunger.forget(&feeder);
            feeder.end(end.clone());
        }
        if let Some(out) = self.out.take() {
            hunger.forget(&out);
            out.end(end);
        }
    }

    fn rest(&mut self, n: usize, hunger: &mut Hunger) {
        if n == OUT {
            if let Some(out) = &mut self.out {
                hunger.rest(out);
            }
        } else if let Some(open) = &mut self.open
            && let Some(feeder) = &mut open.feeder
        {
            hunger.rest(feeder);
        }
    }

    fn is_over(&self) -> bool {
        self.out.is_none() && self.open.as_ref().is_none_or(|open| open.feeder.is_none())
    }
}

impl<T: Send + 'static, E: Send + 'static, C, X> Drop for Windowing<T, E, C, X> {
    fn drop(&mut self) {
        if let Some((item, _)) = self.held.take() {
            self.context.discards().discard(item);
        }
    }
}
