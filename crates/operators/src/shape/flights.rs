//! Futures that a stage drives on its own task, a bounded number at a time.
//!
//! Each place is pinned once, keeps its waker, and is used again: launching a future allocates
//! nothing. A future is polled when it is launched and when it was woken, by the task of the
//! stage, whatever downstream does in the meantime.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_blocks::bell::{Bell, Marks};
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::{Feed, granted_feed, on};

/// Futures in flight.
pub(crate) struct Flights<Fut: Future> {
    places: Vec<Place<Fut>>,
    free: Vec<usize>,
    marks: Arc<Marks>,
    /// Places whose futures were woken and not polled since.
    woken: VecDeque<usize>,
    flying: usize,
}

struct Place<Fut> {
    future: Pin<Box<Option<Fut>>>,
    waker: Waker,
    ticket: u64,
}

impl<Fut: Future> Flights<Fut> {
    /// For up to `limit` futures at a time, of a stage with this bell.
    pub(crate) fn new(limit: usize, bell: &Bell) -> Flights<Fut> {
        let marks = Marks::new(limit);
        let place = |n| Place {
            future: Box::pin(None),
            waker: bell.marked(&marks, n).into_waker(),
            ticket: 0,
        };
        Flights {
            places: (0..limit).map(place).collect(),
            free: (0..limit).rev().collect(),
            woken: VecDeque::with_capacity(limit),
            flying: 0,
            marks,
        }
    }

    /// How many are in flight.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.flying
    }

    /// Polls a future for the first time, and keeps it where it is not ready; `ticket` comes back
    /// with its result.
    #[inline]
    pub(crate) fn launch(&mut self, ticket: u64, future: Fut) -> Option<Fut::Output> {
        let Some(n) = self.free.pop() else {
            unreachable!("a stage launches no more than its limit")
        };
        let place = &mut self.places[n];
        place.future.set(Some(future));
        place.ticket = ticket;
        self.flying += 1;
        self.poll(n)
    }

    /// The result of a future that was woken and is ready now, with its ticket.
    pub(crate) fn land(&mut self) -> Option<(u64, Fut::Output)> {
        loop {
            let Some(n) = self.woken.pop_front() else {
                let woken = &mut self.woken;
                self.marks.take(|n| woken.push_back(n));
                if self.woken.is_empty() {
                    return None;
                }
                continue;
            };
            if let Some(output) = self.poll(n) {
                return Some((self.places[n].ticket, output));
            }
        }
    }

    #[inline]
    fn poll(&mut self, n: usize) -> Option<Fut::Output> {
        let Place { future, waker, .. } = &mut self.places[n];
        // A future may wake when it is over already.
        let flying = future.as_mut().as_pin_mut()?;
        match flying.poll(&mut task::Context::from_waker(waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => {
                future.set(None);
                self.free.push(n);
                self.flying -= 1;
                Some(output)
            }
        }
    }
}

/// Where results wait for demand.
pub(crate) trait Landed<U>: Send + 'static {
    /// Room for `limit` results.
    fn new(limit: usize) -> Self;

    /// A future is launched: its ticket.
    fn launched(&mut self) -> u64;

    /// The result that belongs to a ticket.
    fn landed(&mut self, ticket: u64, result: U);

    /// The next result that may be sent.
    fn next(&mut self) -> Option<U>;

    /// Results that wait, whether or not they may be sent.
    fn waiting(&self) -> usize;

    /// Hands out the results that wait.
    fn drain(&mut self, discard: &mut dyn FnMut(U));
}

/// In the order of the items.
pub(crate) struct InOrder<U> {
    /// The ticket of the first place.
    front: u64,
    places: VecDeque<Option<U>>,
    waiting: usize,
}

impl<U: Send + 'static> Landed<U> for InOrder<U> {
    fn new(limit: usize) -> InOrder<U> {
        InOrder { front: 0, places: VecDeque::with_capacity(limit), waiting: 0 }
    }

    #[inline]
    fn launched(&mut self) -> u64 {
        self.places.push_back(None);
        self.front + self.places.len() as u64 - 1
    }

    #[inline]
    fn landed(&mut self, ticket: u64, result: U) {
        self.places[(ticket - self.front) as usize] = Some(result);
        self.waiting += 1;
    }

    #[inline]
    fn next(&mut self) -> Option<U> {
        let result = self.places.front_mut()?.take()?;
        self.places.pop_front();
        self.front += 1;
        self.waiting -= 1;
        Some(result)
    }

    fn waiting(&self) -> usize {
        self.waiting
    }

    fn drain(&mut self, discard: &mut dyn FnMut(U)) {
        self.places.drain(..).flatten().for_each(discard);
    }
}

/// As they come.
pub(crate) struct AsTheyCome<U>(VecDeque<U>);

impl<U: Send + 'static> Landed<U> for AsTheyCome<U> {
    fn new(limit: usize) -> AsTheyCome<U> {
        AsTheyCome(VecDeque::with_capacity(limit))
    }

    fn launched(&mut self) -> u64 {
        0
    }

    #[inline]
    fn landed(&mut self, _: u64, result: U) {
        self.0.push_back(result);
    }

    #[inline]
    fn next(&mut self) -> Option<U> {
        self.0.pop_front()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }

    fn drain(&mut self, discard: &mut dyn FnMut(U)) {
        self.0.drain(..).for_each(discard);
    }
}

/// Runs a stage whose items go through futures, up to `limit` of them at a time, on a task of
/// `executor`. `error` is how downstream is told of a failure of upstream.
pub(crate) fn fly<L, P, X, F, Fut, U, G, S>(
    upstream: P,
    executor: &X,
    limit: NonZeroUsize,
    f: F,
    error: fn(P::Error) -> G,
    subscriber: S,
) where
    L: Landed<U>,
    P: Publisher,
    X: Executor,
    F: FnMut(P::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    U: Send + 'static,
    G: Send + 'static,
    S: Subscriber<U, G>,
{
    on(
        executor,
        |bell, context| Driven {
            outer: Some(granted_feed(upstream, limit, bell.clone(), context)),
            failure: None,
            flights: Flights::new(limit.get(), bell),
            landed: L::new(limit.get()),
            sent: 0,
            limit: limit.get(),
            f,
            error,
            discards: context.discards().clone(),
            results: PhantomData,
        },
        subscriber,
    );
}

struct Driven<O: Pull, F, Fut: Future, L: Landed<U>, U: 'static, G> {
    /// Until it is over.
    outer: Option<Feed<O>>,
    /// How upstream failed, to be told after the results of what it sent.
    failure: Option<G>,
    flights: Flights<Fut>,
    landed: L,
    /// Results that were sent, for which upstream was not asked for another item.
    sent: u64,
    limit: usize,
    f: F,
    error: fn(O::Error) -> G,
    discards: Discards,
    results: PhantomData<fn(U)>,
}

impl<O, F, Fut, L, U, G> Driven<O, F, Fut, L, U, G>
where
    O: Pull,
    F: FnMut(O::Item) -> Fut,
    Fut: Future<Output = Result<U, G>>,
    L: Landed<U>,
{
    /// Polls what was woken, and launches while there is room. `Pending` when that is done.
    fn work(&mut self) -> Pulled<U, G> {
        while let Some((ticket, result)) = self.flights.land() {
            match result {
                Ok(result) => self.landed.landed(ticket, result),
                Err(error) => return Pulled::Error(error),
            }
        }
        while self.flights.len() + self.landed.waiting() < self.limit {
            let Some(outer) = &mut self.outer else { break };
            outer.grant(std::mem::take(&mut self.sent));
            match outer.pull() {
                Pulled::Item(item) => {
                    let future = (self.f)(item);
                    let ticket = self.landed.launched();
                    match self.flights.launch(ticket, future) {
                        Some(Ok(result)) => self.landed.landed(ticket, result),
                        Some(Err(error)) => return Pulled::Error(error),
                        None => {}
                    }
                }
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending => break,
                Pulled::Complete => self.outer = None,
                Pulled::Error(error) => {
                    self.outer = None;
                    self.failure = Some((self.error)(error));
                }
            }
        }
        Pulled::Pending
    }

    /// The end, if it is here.
    fn rest(&mut self) -> Pulled<U, G> {
        if self.outer.is_some() || self.flights.len() > 0 || self.landed.waiting() > 0 {
            return Pulled::Pending;
        }
        self.failure.take().map_or(Pulled::Complete, Pulled::Error)
    }
}

impl<O, F, Fut, L, U, G> Pull for Driven<O, F, Fut, L, U, G>
where
    O: Pull,
    F: FnMut(O::Item) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, G>> + Send + 'static,
    L: Landed<U>,
    U: Send + 'static,
    G: Send + 'static,
{
    type Item = U;
    type Error = G;

    #[inline]
    fn pull(&mut self) -> Pulled<U, G> {
        for worked in [false, true] {
            if worked {
                match self.work() {
                    Pulled::Pending => {}
                    other => return other,
                }
            }
            if let Some(result) = self.landed.next() {
                self.sent += 1;
                return Pulled::Item(result);
            }
        }
        self.rest()
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<U, G> {
        match self.work() {
            Pulled::Pending => self.rest(),
            other => other,
        }
    }
}

impl<O: Pull, F, Fut: Future, L: Landed<U>, U: 'static, G> Drop for Driven<O, F, Fut, L, U, G> {
    fn drop(&mut self) {
        let discards = &self.discards;
        self.landed.drain(&mut |result| discards.discard(result));
    }
}
