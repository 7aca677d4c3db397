//! [`Publisher`], and [`Processor`] as a bound.

use crate::{Context, NeverPull, Pull, Subscriber};

/// A blueprint of a stream: lazy, and used up by subscribing to it.
///
/// Nothing runs before [`subscribe`](Publisher::subscribe). A publisher that can be subscribed
/// to more than once is `Clone`; each clone is a stream of its own (cold), or a handle on a
/// shared one (hot).
///
/// # Implementing
/// Most publishers of an application are functions that return one built from others. One with
/// a source of its own implements [`Pull`] and lets the library do the protocol
/// (`millstream::from_pull`), or sends into a `millstream::channel`.
///
/// One that is written by hand serves stages as well as ends. Serially, it
///
/// * hands out a [`Subscription`] first, and calls [`on_request`] with [`More::NONE`] once before the
///   first item;
/// * makes each request an [`on_request`]: what that answers is the demand, and not what was asked;
/// * ends by [`on_end`], the answer [`More::CANCEL`] included, and asks what that gives back, if
///   anything, to [go on](crate::Rest::go_on) with each request that follows;
/// * asks one that answers [`More::YIELD`] again, by [`on_request`] with [`More::NONE`];
/// * catches what panics in a signal: that is an end by a fault.
///
/// `millstream_testkit::rules::publisher` says which of it is missing; its own tests have a publisher
/// by hand.
///
/// A publisher serves one subscriber unless it is cloned (rules 1.10, 1.11):
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn twice<P: Publisher, S: Subscriber<P::Item, P::Error>>(publisher: P, a: S, b: S) {
///     publisher.subscribe(a);
///     publisher.subscribe(b); // used after it was moved
/// }
/// ```
///
/// A subscriber serves one publisher (rules 1.10, 2.12):
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn twice<P: Publisher, S: Subscriber<P::Item, P::Error>>(a: P, b: P, subscriber: S) {
///     a.subscribe(subscriber);
///     b.subscribe(subscriber); // used after it was moved
/// }
/// ```
///
/// There is no null subscriber (rule 1.9):
///
/// ```compile_fail,E0277
/// # use millstream_core::*;
/// fn nobody<P: Publisher>(publisher: P) {
///     publisher.subscribe(None::<()>);
/// }
/// ```
///
/// [`Subscription`]: crate::Subscription
/// [`on_request`]: crate::ActiveSubscriber::on_request
/// [`on_end`]: crate::ActiveSubscriber::on_end
/// [`More::NONE`]: crate::More::NONE
/// [`More::CANCEL`]: crate::More::CANCEL
/// [`More::YIELD`]: crate::More::YIELD
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a publisher",
    note = "an iterator becomes one with `millstream::from_iter(..)`"
)]
pub trait Publisher: Send + Sized + 'static {
    /// What it sends.
    type Item: Send + 'static;

    /// How it can fail; [`std::convert::Infallible`] where it cannot.
    type Error: Send + 'static;

    /// Whether [`into_pull`](Publisher::into_pull) succeeds, whichever of this type it is. Known to the
    /// compiler, so that a stage that can use it is built in one of two ways, not switched at run time.
    const PULLS: bool = false;

    /// Whether some of this type can be pulled, and others not, as of what is behind a pointer:
    /// [`pulls`](Publisher::pulls) tells them apart. Where it is `false` none can, and no code is made
    /// for one that could.
    const MAY_PULL: bool = Self::PULLS;

    /// Whether [`into_pull`](Publisher::into_pull) succeeds where the context has a
    /// [host](Context::host): it gives a queue that others fill, for whoever would only put what
    /// comes into another. The pull may then have [nothing for now](crate::Pulled::Pending), and
    /// tells the host when it has.
    const HOSTED: bool = false;

    /// Whether its items are publishers to which it can [hand](crate::Pull::hand_out) what is theirs,
    /// where the [host](Context::host) that pulls it holds them in place.
    #[doc(hidden)]
    const HANDS: bool = false;

    /// Whether [`into_pull`](Publisher::into_pull) succeeds with this one, and with its clones: the same
    /// each time.
    #[inline]
    fn pulls(&self) -> bool {
        Self::PULLS
    }

    /// Starts the stream towards `subscriber`, which is given its subscription before anything
    /// else. Returns when the publisher has nothing to do for now.
    fn subscribe<S: Subscriber<Self::Item, Self::Error>>(self, subscriber: S);

    /// The same stream as something to pull from, where the publisher is synchronous: a stage
    /// with several upstreams can then hold it in place instead of subscribing to it. `context` is
    /// that of whoever pulls, as a subscriber would tell it.
    ///
    /// # Errors
    /// The publisher itself, where it can only push.
    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = Self::Error>, Self> {
        let _ = context;
        Err::<NeverPull<Self::Item, Self::Error>, Self>(self)
    }
}

/// Both a subscriber and a publisher (rule 4.1). A bound, nothing to implement.
pub trait Processor<T, E>: Subscriber<T, E> + Publisher {}

impl<P, T, E> Processor<T, E> for P where P: Subscriber<T, E> + Publisher {}
