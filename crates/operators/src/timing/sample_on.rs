//! `sample_on`: the newest item, whenever another publisher says so.

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::{Feed, capacity, feed};
use crate::shape::kept::{Asked, Taken, Taking, taking};

/// The newest item, whenever another publisher sends one:
/// [`PublisherExt::sample_on`](crate::PublisherExt::sample_on).
///
/// ```text
/// signal ----x---x---x---x---
/// up     -1-2-3---------4--5|
/// down   ----2---3-------4--5|
/// ```
///
/// At a signal the newest item since the one before goes; where there is none, nothing does. One
/// that was not asked for then is kept until it is, or until another comes, which goes in its place.
///
/// # Demand
/// Items and signals are taken as they come, `prefetch` of each asked for ahead. One that is
/// synchronous is pulled while downstream asks.
/// # Completion
/// As upstream, or as the signal. The item that is kept goes before, when it is asked for; the other
/// of the two is cancelled at once.
/// # Errors
/// A failure of either, at once: the item that is kept is discarded.
/// # Cancellation
/// As downstream's: both are cancelled, and what is kept and queued is discarded.
/// # Bounds
/// One item, and `prefetch` of each that is not synchronous.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, probe};
///
/// let (sensor, readings) = millstream::channel(4);
/// let (ask, asks) = millstream::channel(4);
/// let seen = probe(readings.sample_on(asks, 4), Behaviour::new().initially(10));
/// for n in [1, 2] {
///     assert!(sensor.try_send(n).is_ok());
/// }
/// assert!(ask.try_send(()).is_ok());
/// seen.assert_items(&[2]);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SampleOn<P, Q> {
    upstream: P,
    signal: Q,
    prefetch: NonZeroUsize,
    site: Site,
}

impl<P, Q> SampleOn<P, Q> {
    #[track_caller]
    pub(crate) fn new(upstream: P, signal: Q, prefetch: usize) -> SampleOn<P, Q> {
        let prefetch = capacity("sample_on(signal, 0)", prefetch);
        SampleOn { upstream, signal, prefetch, site: Site::here("sample_on") }
    }
}

crate::opaque_debug::opaque_debug!(SampleOn<P, Q>, prefetch);

impl<P, Q> Publisher for SampleOn<P, Q>
where
    P: Publisher,
    Q: Publisher<Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let SampleOn { upstream, signal, prefetch, site } = self;
        join(
            |bell, context| Sampled {
                of: taking(upstream, prefetch, bell, context, site.input("upstream")),
                signal: Some(feed(signal, prefetch, bell.clone(), context, site.input("signal"))),
                goes: false,
                bell: bell.clone(),
            },
            subscriber,
        );
    }
}

/// How many of each are taken at most before others run.
const LOOKS: usize = 32;

struct Sampled<P: Pull, Q: Pull> {
    of: Taking<P>,
    /// Until it is complete.
    signal: Option<Feed<Q>>,
    /// Whether the one that is kept goes as soon as it is asked for.
    goes: bool,
    bell: Bell,
}

impl<P: Pull, Q: Pull<Error = P::Error>> Sampled<P, Q> {
    /// Takes items first: those that came before a signal are there for it.
    fn items(&mut self, asked: Asked) -> Result<Taken, P::Error> {
        if asked == Asked::No && self.of.is_pulled() {
            return match self.of.look() {
                Ok(Taken::Some) => Ok(Taken::All),
                other => other,
            };
        }
        for _ in 0..LOOKS {
            match self.of.take(|item, slot| slot.replace(item)) {
                Ok(Taken::Some) => {}
                other => return other,
            }
        }
        Ok(Taken::Some)
    }

    fn signals(&mut self, asked: Asked) -> Result<Taken, P::Error> {
        for _ in 0..LOOKS {
            let Some(signal) = &mut self.signal else { return Ok(Taken::Over) };
            if asked == Asked::No && signal.is_pulled() {
                return Ok(Taken::All);
            }
            match signal.pull() {
                Pulled::Item(_) => self.goes |= self.of.slot.is_some(),
                Pulled::Skipped => {}
                Pulled::Pending => return Ok(Taken::All),
                Pulled::Complete => self.signal = None,
                Pulled::Error(error) => return Err(error),
            }
        }
        Ok(Taken::Some)
    }

    /// Whether one of the two is over, which cancels the other: what is kept needs neither.
    fn is_over(&mut self) -> bool {
        let over = self.of.is_over() || self.signal.is_none();
        if over {
            self.signal = None;
            self.of.leave();
        }
        over
    }

    fn run(&mut self, asked: Asked) -> Pulled<P::Item, P::Error> {
        let taken = match self.items(asked).and_then(|items| Ok((items, self.signals(asked)?))) {
            Ok(taken) => taken,
            Err(error) => return Pulled::Error(error),
        };
        let over = self.is_over();
        if asked == Asked::Yes
            && (self.goes || over)
            && let Some(item) = self.of.slot.take()
        {
            self.goes = false;
            return Pulled::Item(item);
        }
        self.of.rest();
        if over && self.of.slot.is_none() {
            return Pulled::Complete;
        }
        match taken {
            // Where it is over only demand is waited for.
            (Taken::Some, _) | (_, Taken::Some) if !over => Pulled::Skipped,
            _ => Pulled::Pending,
        }
    }
}

impl<P: Pull, Q: Pull<Error = P::Error>> Pull for Sampled<P, Q> {
    type Item = P::Item;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        self.run(Asked::Yes)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<P::Item, P::Error> {
        match self.run(Asked::No) {
            Pulled::Skipped => {
                self.bell.ring();
                Pulled::Pending
            }
            other => other,
        }
    }
}
