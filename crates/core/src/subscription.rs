//! [`Subscription`]: the one handle of a subscriber on its stream.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::{Cause, Demand, Fault, IntoDemand, Undelivered, report_undelivered};

/// The other end of a [`Subscription`]: what a publisher implements to be asked and cancelled.
///
/// All may be called from any thread, from inside a signal, at the same time, and after
/// the end, when they do nothing (rules 3.2, 3.5 to 3.7). They return when the publisher has
/// nothing to do for now, and never panic (rules 3.15, 3.16). `request` may send signals before
/// it returns, unless it was called from inside one (rules 3.3, 3.10).
pub trait Upstream: Send + Sync {
    /// Adds to the demand (rule 3.8).
    fn request(&self, demand: Demand);

    /// Nothing more is wanted: stop, and drop the subscriber (rules 3.12, 3.13).
    fn cancel(&self);

    /// As [`cancel`](Upstream::cancel), and why. Unless implemented, the cause goes no further.
    fn cancel_because(&self, cause: Cause) {
        drop(cause);
        self.cancel();
    }

    /// The subscriber let go of its handle: from here on nobody asks or cancels. For a publisher
    /// that keeps itself alive; one that lives by its handles has nothing to do.
    fn detach(&self) {}

    /// The downstream side broke the protocol or the pipeline: end the stream with `fault`.
    /// Unless implemented, the fault is reported as undelivered and the stream cancelled.
    fn fail(&self, fault: Fault) {
        report_undelivered(&Undelivered::Fault(fault));
        self.cancel();
    }
}

/// The one handle of a subscriber on its stream: it asks for items, and dropping it cancels.
///
/// There is exactly one, it cannot be cloned, and only its owner can use it (rules 2.7, 3.1).
/// It may move to another thread, or be shared by reference: asking is thread-safe.
///
/// ```compile_fail,E0599
/// fn two(subscription: millstream_core::Subscription) {
///     let _another = subscription.clone();
/// }
/// ```
///
/// After [`cancel`](Subscription::cancel) there is nothing to ask or to cancel again (rules
/// 3.6, 3.7):
///
/// ```compile_fail,E0382
/// # use millstream_core::*;
/// fn late(subscription: Subscription) {
///     subscription.cancel();
///     subscription.request(Demand::ONE); // used after it was moved
/// }
/// ```
///
/// ```compile_fail,E0382
/// fn twice(subscription: millstream_core::Subscription) {
///     subscription.cancel();
///     subscription.cancel(); // used after it was moved
/// }
/// ```
///
/// Zero cannot be asked for (rule 3.9):
///
/// ```compile_fail,E0277
/// fn nothing(subscription: &millstream_core::Subscription) {
///     subscription.request(0);
/// }
/// ```
///
/// There is no result to look at: `request` and `cancel` return normally (rules 3.15, 3.16).
///
/// ```compile_fail,E0308
/// # use millstream_core::*;
/// fn result(subscription: &Subscription) -> Result<(), ()> {
///     subscription.request(Demand::ONE) // the unit type
/// }
/// ```
#[must_use = "dropping a subscription cancels its stream; `detach` lets it run"]
pub struct Subscription(Option<Arc<dyn Upstream>>);

impl Subscription {
    /// For publishers: the handle on `upstream`.
    #[inline]
    pub fn new(upstream: Arc<impl Upstream + 'static>) -> Subscription {
        Subscription(Some(upstream))
    }

    /// For stages that pass the handle on: gives up cancellation on drop.
    #[inline]
    #[must_use]
    pub fn into_upstream(self) -> Arc<dyn Upstream> {
        // An empty handle has nothing to drop, and need not be looked at for it.
        let upstream = ManuallyDrop::new(self).0.take();
        upstream.unwrap_or_else(|| unreachable!("only a consumed handle is empty"))
    }

    /// Asks for `demand` items **more**, on top of all that was asked before (rule 3.8).
    ///
    /// From outside a signal the publisher may send them before this returns; from inside one
    /// it notes the demand and returns at once. To ask from inside a signal, answering it with
    /// [`More`](crate::More) is the cheaper way.
    #[inline]
    pub fn request(&self, demand: impl IntoDemand) {
        if let Some(upstream) = &self.0 {
            upstream.request(demand.into_demand());
        }
    }

    /// Asks for a number that comes from outside: a wire, foreign code.
    ///
    /// Zero or a negative number ends the stream with [`Fault::InvalidDemand`], which the
    /// subscriber is told by [`on_fault`](crate::ActiveSubscriber::on_fault) (rule 3.9).
    pub fn request_raw(&self, n: i64) {
        match Demand::from_raw(n) {
            Ok(demand) => self.request(demand),
            Err(invalid) => self.fail(Fault::InvalidDemand(invalid)),
        }
    }

    /// For stages: ends the stream with `fault`, because something of theirs broke while they
    /// were being subscribed. Whoever becomes active on this subscription is told.
    pub fn fail(&self, fault: Fault) {
        if let Some(upstream) = &self.0 {
            upstream.fail(fault);
        }
    }

    /// Nothing more is wanted. The same as dropping it, with a name.
    pub fn cancel(self) {
        drop(self);
    }

    /// Nothing more is wanted, and why: stages above that act on a cancellation are told.
    ///
    /// Dropped, it says what its owner was dropped for: [`NoMoreNeeded`](Cause::NoMoreNeeded), but
    /// [`Failed`](Cause::Failed) where that was a failure or a panic.
    ///
    /// ```
    /// # fn give_up(subscription: millstream_core::Subscription) {
    /// use millstream_core::Cause;
    ///
    /// subscription.cancel_because(Cause::given("the disk is full"));
    /// # }
    /// ```
    pub fn cancel_because(self, cause: Cause) {
        self.into_upstream().cancel_because(cause);
    }

    /// Lets go of the handle without cancelling. From here on only the answers to items ask for
    /// more; a stream that then runs out of demand is dropped, since nobody could ever ask
    /// again.
    #[inline]
    pub fn detach(self) {
        self.into_upstream().detach();
    }
}

impl Drop for Subscription {
    #[inline]
    fn drop(&mut self) {
        if let Some(upstream) = self.0.take() {
            upstream.cancel();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
