//! Joined stages: several upstreams, or one that runs elsewhere, and one serial downstream.
//!
//! A joined stage is a [`Pull`] made of *feeds*, one for each upstream. An upstream that can be
//! pulled is held in place and costs no queue; any other fills a bounded queue of its own. What
//! runs the pull is an island ([`join`](millstream_blocks::island::join)), on the thread that has
//! news, or a task of an executor ([`on`]).

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::entrust::{Errand, entrust};
use millstream_blocks::gauge::{Decisions, Gauge, Site, Watch};
use millstream_blocks::lane::{Outlet, counted, lane, open_lane};
use millstream_blocks::task::task;
use millstream_core::{Context, Hands, Publisher, Pull, Pulled, Subscriber, Supply};
use millstream_executors::{Executor, executor_thread};

/// The most that a queue can be made for: it has room for all from the beginning.
const MOST: usize = 1 << 24;

/// A capacity, of a queue that is allocated as a whole.
///
/// # Panics
/// When it is zero, or above 2<sup>24</sup>: `what` is the call with a zero.
#[track_caller]
pub(crate) fn capacity(what: &str, n: usize) -> NonZeroUsize {
    let n = bound(what, n);
    assert!(
        n.get() <= MOST,
        "{what}, with {n} for the 0: a queue has room for all of its items from the beginning, \
         and is made for {MOST} at most",
    );
    n
}

/// A bound, of something that grows up to it.
///
/// # Panics
/// When it is zero: `what` is the call.
#[track_caller]
pub(crate) fn bound(what: &str, n: usize) -> NonZeroUsize {
    match NonZeroUsize::new(n) {
        Some(n) => n,
        None => panic!("{what}: a queue holds at least 1 item, and 0 was asked for"),
    }
}

/// One upstream of a joined stage.
pub(crate) enum Feed<Q: Pull> {
    /// Held in place.
    Pulled(Q),
    /// It fills a queue; or it is held in place, and somebody looks.
    Lane(Outlet<Q::Item, Q::Error>),
}

impl<Q: Pull> Feed<Q> {
    /// Whether it is held in place.
    pub(crate) fn is_pulled(&self) -> bool {
        match self {
            Feed::Pulled(_) => true,
            Feed::Lane(outlet) => outlet.is_pulled(),
        }
    }

    /// It, where it is held in place: for a loop that is not to be written for a lane as well.
    #[inline]
    pub(crate) fn in_place(&mut self) -> Option<&mut Q> {
        match self {
            Feed::Pulled(pull) => Some(pull),
            Feed::Lane(_) => None,
        }
    }

    /// As [`pull`](Pull::pull), for stages with many feeds: the lane is out of line, so that what
    /// surrounds it stays short.
    #[inline]
    pub(crate) fn pull_one_of_many(&mut self) -> Pulled<Q::Item, Q::Error> {
        #[inline(never)]
        fn out_of_line<P: Pull>(pull: &mut P) -> Pulled<P::Item, P::Error> {
            pull.pull()
        }
        match self {
            Feed::Pulled(pull) => pull.pull(),
            Feed::Lane(outlet) => out_of_line(outlet),
        }
    }

    /// As [`pull_while`](Pull::pull_while), for up to `turn` items, which it counts down. `None` where
    /// the turn is over, and `each` takes another.
    #[inline]
    pub(crate) fn pull_turn(
        &mut self,
        turn: &mut u32,
        each: &mut impl FnMut(Q::Item) -> bool,
    ) -> Option<Pulled<Q::Item, Q::Error>> {
        let pull = match self {
            Feed::Pulled(pull) => pull,
            Feed::Lane(outlet) => return outlet.pull_turn(turn, each),
        };
        let mut stopped = false;
        let pulled = pull.pull_while(|item| {
            stopped = !each(item);
            *turn -= 1;
            *turn > 0 && !stopped
        });
        let over = *turn == 0 && !stopped && matches!(pulled, Pulled::Skipped);
        (!over).then_some(pulled)
    }

    /// Whether it makes its items in its turn, as it is asked for them.
    #[inline]
    pub(crate) fn is_prompt(&self) -> bool {
        match self {
            Feed::Pulled(_) => false,
            Feed::Lane(outlet) => outlet.is_prompt(),
        }
    }

    /// Asks for `n` more, where it asks for [nothing by itself](granting_feed).
    pub(crate) fn grant(&mut self, n: u32) {
        if let Feed::Lane(outlet) = self {
            outlet.grant(u64::from(n));
        }
    }

    /// Asks for the first items, where it does so by itself.
    pub(crate) fn begin(&mut self) {
        if let Feed::Lane(outlet) = self {
            outlet.begin();
        }
    }

    /// Whether items are waiting, as far as can be told.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Feed::Pulled(_) => true,
            Feed::Lane(outlet) => outlet.is_pulled() || !outlet.is_empty(),
        }
    }
}

impl<Q: Pull> Pull for Feed<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.pull(),
            Feed::Lane(outlet) => outlet.pull(),
        }
    }

    #[inline]
    fn pull_while(&mut self, each: impl FnMut(Q::Item) -> bool) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.pull_while(each),
            Feed::Lane(outlet) => outlet.pull_while(each),
        }
    }

    #[inline]
    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.look_ahead(started),
            Feed::Lane(outlet) => outlet.look_ahead(started),
        }
    }

    #[inline]
    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        each: impl FnMut(Q::Item) -> bool,
    ) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.pull_handed(to, supply, each),
            Feed::Lane(_) => Pulled::Pending,
        }
    }
}

/// A gauge for queues of `capacity` in all, between publishers and the host of `bell`: where those
/// [can be pulled](Publisher::pulls), they have none.
pub(crate) fn gauge(
    pulls: bool,
    bell: &Bell,
    context: &Context,
    site: Site,
    capacity: usize,
) -> Option<Gauge> {
    bell.gauge(context, site, if pulls { 0 } else { capacity })
}

/// Makes a feed of `publisher`: subscribes to it, unless it can be pulled. `bell` rings when
/// there is news.
pub(crate) fn feed<P: Publisher>(
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let gauge = gauge(publisher.pulls(), &bell, context, site, capacity.get());
    feed_on(gauge, publisher, capacity, bell, context)
}

/// As [`feed`], one of those that a gauge counts.
pub(crate) fn feed_on<P: Publisher>(
    gauge: Option<Gauge>,
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    feed_asking(gauge, publisher, capacity, capacity, bell, context)
}

/// As [`feed_on`], which asks for `first` at the beginning.
fn feed_asking<P: Publisher>(
    gauge: Option<Gauge>,
    publisher: P,
    capacity: NonZeroUsize,
    first: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    feed_under(gauge, publisher, capacity, First::Of(first), bell, (context, context.upstream()))
}

/// As [`feed_on`], one of many that a host gives turns: see [`Feed::pull_turn`].
pub(crate) fn feed_of_many<P: Publisher>(
    gauge: Option<Gauge>,
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    feed_under(gauge, publisher, capacity, First::InATurn, bell, (context, context.upstream()))
}

/// As [`feed`], which asks for nothing but what is [granted](Feed::grant): with what was before and is
/// not there yet, or not taken, `capacity` at most.
pub(crate) fn granting_feed<P: Publisher>(
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let gauge = gauge(publisher.pulls(), &bell, context, site, capacity.get());
    let around = (context, context.upstream());
    match feed_under(gauge, publisher, capacity, First::OfNone, bell, around) {
        Feed::Lane(outlet) => Feed::Lane(outlet.granting()),
        pulled => pulled,
    }
}

/// As [`feed_of_many`], for a host that goes on with a feed that it holds in place, and that has nothing
/// for now, when its bell rings: a publisher that is [`HOSTED`](Publisher::HOSTED) needs no queue
/// behind its own. Where somebody looks it has one, to be counted by.
pub(crate) fn hosted_feed<P: Publisher>(
    gauge: Option<Gauge>,
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    hosting: &mut Hosting,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let above =
        if P::HOSTED && gauge.is_none() { hosting.of(&bell) } else { hosting.context.upstream() };
    feed_under(gauge, publisher, capacity, First::InATurn, bell, (&hosting.context, above))
}

/// The contexts of what a host holds in place: one for each place, which is made once, since those who
/// are there one after another have the same bell.
pub(crate) struct Hosting {
    /// Of the host's subscriber.
    context: Context,
    /// With the bell of one place, which tells of any.
    host: Option<Context>,
    places: Vec<Option<Context>>,
}

impl Hosting {
    pub(crate) fn new(context: &Context) -> Hosting {
        Hosting { context: context.clone(), host: None, places: Vec::new() }
    }

    fn of(&mut self, bell: &Bell) -> Context {
        let make = || self.context.upstream().with_host(bell.clone());
        let host = self.host.get_or_insert_with(make);
        let Some(n) = bell.place() else { return host.clone() };
        if n >= self.places.len() {
            self.places.resize(n + 1, None);
        }
        self.places[n].get_or_insert_with(|| host.clone().at(n)).clone()
    }
}

/// Who asks for the first items.
#[derive(Clone, Copy)]
enum First {
    /// Whoever is subscribed, at once, for so many.
    Of(NonZeroUsize),
    /// Nobody: the host grants them.
    OfNone,
    /// The host, in the first turn that it gives, for all that fit. Where somebody looks, whoever is
    /// subscribed.
    InATurn,
}

fn feed_under<P: Publisher>(
    gauge: Option<Gauge>,
    publisher: P,
    capacity: NonZeroUsize,
    first: First,
    bell: Bell,
    (context, above): (&Context, Context),
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    match publisher.into_pull(above) {
        Ok(pull) => match gauge {
            None => Feed::Pulled(pull),
            Some(gauge) => Feed::Lane(counted(pull, gauge)),
        },
        Err(publisher) => {
            let (inlet, outlet) = match first {
                First::InATurn if gauge.is_none() => open_lane(capacity, bell, context),
                First::InATurn => lane(capacity, bell, context, gauge),
                First::Of(first) => {
                    let (inlet, outlet) = lane(capacity, bell, context, gauge);
                    (inlet.asking(first), outlet)
                }
                First::OfNone => {
                    let (inlet, outlet) = lane(capacity, bell, context, gauge);
                    (inlet.asking_nothing(), outlet)
                }
            };
            publisher.subscribe(inlet);
            Feed::Lane(outlet)
        }
    }
}

/// Whether nobody looks at the boundaries of a stage with this context. Then upstreams that
/// [can be pulled](Publisher::pulls) are held [in place](in_place) as they are, and nothing is
/// counted.
pub(crate) fn unwatched(context: &Context) -> bool {
    !Watch::is_over(context)
}

/// Whether all of `publishers` can be pulled.
#[inline]
pub(crate) fn all_pull<P: Publisher>(publishers: &[P]) -> bool {
    P::PULLS || publishers.iter().all(P::pulls)
}

/// A publisher that [can be pulled](Publisher::pulls), as something to pull from. `context` is for
/// what is upstream of the stage.
#[inline]
pub(crate) fn in_place<P: Publisher>(
    publisher: P,
    context: Context,
) -> impl Pull<Item = P::Item, Error = P::Error> + use<P> {
    match publisher.into_pull(context) {
        Ok(pull) => pull,
        Err(_) => unreachable!("a publisher that says that it pulls can be pulled"),
    }
}

/// The upstream of a stage that works on up to so many of its items at a time, each until it is
/// done with it.
pub(crate) struct Granted<Q: Pull> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
    /// Items that the stage is done with, for which upstream was not asked for another; and
    /// the first, until they are asked for.
    done: u64,
    /// How many of those the gauge knows of: it knows of the first.
    told: u64,
    gauge: Option<Gauge>,
}

/// Makes the feed of a stage that works on up to `limit` items of `publisher` at a time: they are
/// asked for at once, and another for each that it is [done](Granted::done) with.
pub(crate) fn granted_feed<P: Publisher>(
    publisher: P,
    limit: NonZeroUsize,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Granted<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    granted_feed_asking(publisher, limit, Some(limit), bell, context, site)
}

/// As [`granted_feed`], where `first` of them are asked for at once: at most `limit`. Without a first,
/// nothing is asked for before the stage pulls.
pub(crate) fn granted_feed_asking<P: Publisher>(
    publisher: P,
    limit: NonZeroUsize,
    first: Option<NonZeroUsize>,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Granted<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    granted_under(publisher, (limit, first), bell, (context, context.upstream()), site)
}

fn granted_under<P: Publisher>(
    publisher: P,
    (limit, first): (NonZeroUsize, Option<NonZeroUsize>),
    bell: Bell,
    (context, above): (&Context, Context),
    site: Site,
) -> Granted<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    // What the stage works on counts, whether or not there is a queue before it.
    let gauge = bell.gauge(context, site, limit.get()).map(Gauge::held);
    let around = (context, above);
    let later = if first.is_none() { limit.get() as u64 } else { 0 };
    let first = first.map_or(First::OfNone, First::Of);
    let feed = match feed_under(gauge.clone(), publisher, limit, first, bell, around) {
        Feed::Lane(outlet) => Feed::Lane(outlet.granting()),
        pulled => pulled,
    };
    Granted { feed: Some(feed), done: later, told: later, gauge }
}

/// As [`granted_feed`], for a host that is [handed](Pull::hand_out) the items of the publishers which
/// it holds in place, where upstream [hands](Publisher::HANDS) and nobody looks.
pub(crate) fn handing_feed<P: Publisher>(
    publisher: P,
    limit: NonZeroUsize,
    bell: Bell,
    context: &Context,
    site: Site,
) -> Granted<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let mut above = context.upstream();
    if P::HANDS && unwatched(context) {
        above = above.with_host(Receiver(bell.clone()));
    }
    granted_under(publisher, (limit, Some(limit)), bell, (context, above), site)
}

/// The host of a publisher that hands: see [`handing_feed`].
pub(crate) struct Receiver(pub(crate) Bell);

impl Receiver {
    /// Of whoever pulls under this context, for a publisher over `P`: where that is held in place
    /// too, and nobody looks.
    pub(crate) fn of<P: Publisher>(context: &Context) -> Option<&Receiver> {
        context.host::<Receiver>().filter(|_| P::PULLS && unwatched(context))
    }
}

impl<Q: Pull> Granted<Q> {
    /// The stage is done with `n` of its items.
    #[inline]
    pub(crate) fn done(&mut self, n: u64) {
        self.done += n;
    }

    /// The stage is done with an item, and does not ask for another in its place.
    #[cold]
    pub(crate) fn keep(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.done(1);
        }
    }

    /// Asks for `n` more than it is done with.
    #[cold]
    pub(crate) fn raise(&mut self, n: u64) {
        if let Some(Feed::Lane(outlet)) = &mut self.feed {
            outlet.grant(n);
        }
    }

    /// A controller has decided.
    #[cold]
    pub(crate) fn decided(&self, decisions: Decisions) {
        if let Some(gauge) = &self.gauge {
            gauge.decided(decisions);
        }
    }

    /// Whether no item follows.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.feed.is_none()
    }

    /// No item follows.
    #[cold]
    pub(crate) fn end(&mut self) {
        self.feed = None;
    }

    /// The next item, while it is not [over](Granted::is_over); then [`Pulled::Complete`].
    #[inline(always)]
    pub(crate) fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        // One that is held in place is asked for nothing ahead.
        if !matches!(self.feed, Some(Feed::Pulled(_))) && self.done > 0 {
            self.grant();
        }
        let Some(feed) = &mut self.feed else { return Pulled::Complete };
        let pulled = feed.pull();
        if let Pulled::Complete | Pulled::Error(_) = pulled {
            self.end();
        }
        pulled
    }

    /// Upstream, where it is held in place and not over. Whoever pulls it says when it
    /// [ended](Granted::end), and need not say that it is [done](Granted::done) with its items.
    #[inline]
    pub(crate) fn in_place(&mut self) -> Option<&mut Q> {
        self.feed.as_mut()?.in_place()
    }

    /// As [`Pull::hand_out`].
    #[inline]
    pub(crate) fn hand_out(&mut self, hands: &mut impl Hands) -> bool {
        self.in_place().is_some_and(|upstream| upstream.hand_out(hands))
    }

    /// Whether upstream is held in place, or was.
    #[inline]
    pub(crate) fn is_pulled(&self) -> bool {
        self.feed.as_ref().is_none_or(Feed::is_pulled)
    }

    /// As [`look_ahead`](Pull::look_ahead).
    pub(crate) fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        if !self.is_pulled() && self.done > 0 {
            self.grant();
        }
        self.look_for_end(started)
    }

    /// As [`look_ahead`](Pull::look_ahead), without asking for anything.
    pub(crate) fn look_for_end(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        self.tell();
        let Some(feed) = &mut self.feed else { return Pulled::Complete };
        let pulled = feed.look_ahead(started);
        if let Pulled::Complete | Pulled::Error(_) = pulled {
            self.end();
        }
        pulled
    }

    /// The end, where it is here already and no item is needed to tell: the stage has no room for
    /// one.
    pub(crate) fn end_ahead(&mut self) -> Pulled<Q::Item, Q::Error> {
        if self.feed.as_ref().is_some_and(Feed::is_pulled) {
            return Pulled::Pending;
        }
        self.look_ahead(true)
    }

    /// Tells the gauge of items that the stage is done with.
    #[inline]
    fn tell(&mut self) {
        if let Some(gauge) = &self.gauge
            && self.done > self.told
        {
            gauge.done(self.done - self.told);
            self.told = self.done;
        }
    }

    #[inline]
    fn grant(&mut self) {
        self.tell();
        self.told = 0;
        let done = std::mem::take(&mut self.done);
        if let Some(Feed::Lane(outlet)) = &mut self.feed {
            outlet.grant(done);
        }
    }
}

impl<Q: Pull> Drop for Granted<Q> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Runs a joined stage on a task of `executor`; where that will not run it, `subscriber` is told.
pub(crate) fn on<P, S>(
    executor: &impl Executor,
    make: impl FnOnce(&Bell, &Context) -> P,
    subscriber: S,
) where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    if let Some(task) = task(make, subscriber) {
        spawn(executor, task);
    }
}

/// Hands a task to `executor`. Where that will not have it, its pipeline is told why.
pub(crate) fn spawn(executor: &impl Executor, task: impl Errand) {
    entrust(task, |mut task| {
        executor.spawn(Box::pin(std::future::poll_fn(move |cx| {
            let _polled_by_an_executor = executor_thread::polls();
            std::pin::Pin::new(&mut task).poll(cx)
        })))
    });
}
