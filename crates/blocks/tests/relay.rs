//! Models of the relay: demand is conserved over a switch, cancellation reaches a source in any
//! state, the baton is in one place.

mod oracle;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;

use millstream_blocks::emission::Emission;
use millstream_blocks::relay::{Feeder, Sequence, SourceEnd, Then, relay};
use millstream_core::{ActiveSubscriber, Credit, End, Fault, More, Rest, Subscriber, Subscription};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{
    Alive, Error, Hand, Items, Oracle, Signal, Source, Start, Token, begins, broken, items,
};

/// One source after another.
struct Chain {
    sources: VecDeque<Source>,
    _alive: Alive,
    /// Goes on after the last source: waits for a feed.
    open: bool,
}

/// What may come from outside.
enum Feed {
    Source(Source),
    Fail,
}

impl Chain {
    fn next(&mut self) -> Then<Source, Error> {
        match self.sources.pop_front() {
            Some(source) => Then::Subscribe(source),
            None if self.open => Then::Wait,
            None => Then::Complete,
        }
    }
}

impl Sequence for Chain {
    type Item = Token;
    type Error = Error;
    type Source = Source;
    type Feed = Feed;

    fn start(&mut self) -> Then<Source, Error> {
        self.next()
    }

    fn after(&mut self, end: SourceEnd<Error>, _: bool) -> Then<Source, Error> {
        match end {
            SourceEnd::Completed => self.next(),
            SourceEnd::Failed(error) => Then::Fail(error),
        }
    }

    fn fed(&mut self, feed: Feed, busy: bool) -> Then<Source, Error> {
        match feed {
            Feed::Fail => Then::Fail("fed"),
            Feed::Source(source) if busy => {
                self.sources.push_back(source);
                Then::Wait
            }
            Feed::Source(source) => Then::Subscribe(source),
        }
    }
}

/// The sources of a relay, and one that is followed.
trait Relays {
    fn oracle(&self) -> &Oracle;

    fn chain(&self, sources: impl IntoIterator<Item = Source>) -> Chain {
        let sources = sources.into_iter().collect();
        Chain { sources, _alive: self.oracle().alive(), open: false }
    }

    fn sync(&self, numbers: Range<u32>) -> Source {
        Source::Items(self.oracle().items(numbers))
    }

    fn late(&self, numbers: Range<u32>) -> (Source, Start) {
        let start = Start::default();
        (Source::Late(self.oracle().items(numbers), start.clone()), start)
    }

    /// Subscribes, and hears nothing of what it is asked for.
    fn deaf(&self) -> (Source, Start) {
        let start = Start::default();
        (Source::Deaf(self.oracle().alive(), start.clone()), start)
    }

    fn by_hand(&self) -> (Source, Hand) {
        let hand = Hand::default();
        (Source::Hand(self.oracle().alive(), hand.clone()), hand)
    }

    /// Relays `sources` to a subscriber that answers nothing.
    fn relay(&self, sources: impl IntoIterator<Item = Source>) {
        relay(self.chain(sources), self.oracle().probe(|_| More::NONE), drop);
    }
}

impl Relays for Oracle {
    fn oracle(&self) -> &Oracle {
        self
    }
}

fn beside(oracle: &Oracle, act: impl FnOnce(&Oracle) + Send + 'static) -> thread::JoinHandle<()> {
    let oracle = oracle.clone();
    thread::spawn(move || act(&oracle))
}

#[test]
fn request_races_request_over_a_switch() {
    model("relay: request_races_request_over_a_switch", || {
        let oracle = Oracle::new();
        oracle.relay([oracle.sync(0..1), oracle.sync(10..19)]);
        let other = beside(&oracle, |oracle| oracle.request(2));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10, 11], "as many as were asked for");
    });
}

#[test]
fn request_races_the_end_of_the_first_source() {
    model("relay: request_races_the_end_of_the_first_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..19)]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [10, 11, 12], "demand was lost or doubled");
    });
}

#[test]
fn request_races_the_last_item_of_the_first_source() {
    model("relay: request_races_the_last_item_of_the_first_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..19)]);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10]);
    });
}

#[test]
fn two_requests_race_the_end_of_the_first_source() {
    model("relay: two_requests_race_the_end_of_the_first_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..19)]);
        let end = beside(&oracle, move |_| hand.complete());
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        end.join().unwrap();
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [10, 11]);
    });
}

#[test]
fn unbounded_request_races_the_end_of_the_first_source() {
    model("relay: unbounded_request_races_the_end_of_the_first_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..12)]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.request(u64::MAX);
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Item(10), Item(11), Complete]));
        oracle.finish();
    });
}

#[test]
fn request_races_the_end_of_the_last_source() {
    model("relay: request_races_the_end_of_the_last_source", || {
        let oracle = Oracle::new();
        let (last, hand) = oracle.by_hand();
        oracle.relay([oracle.sync(0..1), last]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the end frees it all");
        assert_eq!(oracle.finish(), [Item(0), Complete]);
    });
}

#[test]
fn answers_are_carried_over_a_switch() {
    model("relay: answers_are_carried_over_a_switch", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        // The first item is answered by two more, which the first source does not have.
        let probe = oracle.probe(|seen| if seen == 1 { More::of(2) } else { More::NONE });
        relay(oracle.chain([first, oracle.sync(10..19)]), probe, drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10, 11, 12]);
    });
}

#[test]
fn cancel_races_a_switch() {
    model("relay: cancel_races_a_switch", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let (second, _second) = oracle.by_hand();
        oracle.relay([first, second]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "a source is left alive");
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn cancel_races_a_switch_to_a_synchronous_source() {
    model("relay: cancel_races_a_switch_to_a_synchronous_source", || {
        let oracle = Oracle::new();
        oracle.relay([oracle.sync(0..1), oracle.sync(10..11)]);
        let other = beside(&oracle, Oracle::cancel);
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(begins(&[Item(0), Item(10), Complete], &log), "{log:?}");
    });
}

#[test]
fn request_races_a_switch_and_cancel() {
    model("relay: request_races_a_switch_and_cancel", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..11)]);
        let end = beside(&oracle, move |_| hand.complete());
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.cancel();
        end.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "something is left alive");
        let log = oracle.finish();
        assert!(begins(&[Item(10), Complete], &log), "{log:?}");
    });
}

#[test]
fn cancel_races_cancel_while_a_source_has_the_baton() {
    model("relay: cancel_races_cancel_while_a_source_has_the_baton", || {
        let oracle = Oracle::new();
        let (first, _hand) = oracle.by_hand();
        oracle.relay([first]);
        let other = beside(&oracle, Oracle::cancel);
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn late_subscription_races_request() {
    model("relay: late_subscription_races_request", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        let other = beside(&oracle, move |_| start.go());
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1], "demand waits for the source");
    });
}

#[test]
fn late_subscription_races_cancel() {
    model("relay: late_subscription_races_cancel", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        let other = beside(&oracle, move |_| start.go());
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the late source is left alive");
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn late_subscription_races_request_and_cancel() {
    model("relay: late_subscription_races_request_and_cancel", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..1);
        oracle.relay([first]);
        let late = beside(&oracle, move |_| start.go());
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.cancel();
        late.join().unwrap();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the late source is left alive");
        let log = oracle.finish();
        assert!(begins(&[Item(0), Complete], &log), "{log:?}");
    });
}

#[test]
fn late_subscription_races_the_drop_of_its_source() {
    model("relay: late_subscription_races_the_drop_of_its_source", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        let other = beside(&oracle, |oracle| oracle.request(1));
        // The source goes away without ever subscribing.
        start.forget();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert_eq!(log, [Signal::Fault(Fault::SourceDropped.to_string())]);
    });
}

#[test]
fn fault_races_a_switch() {
    model("relay: fault_races_a_switch", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let (second, _second) = oracle.by_hand();
        oracle.relay([first, second]);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.fail();
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![broken()]), "whichever source has the baton");
        assert_eq!(oracle.count(), 0, "a source is left alive");
        oracle.finish();
    });
}

#[test]
fn fault_races_a_late_subscription() {
    model("relay: fault_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        let other = beside(&oracle, move |_| start.go());
        oracle.fail();
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![broken()]), "the late source keeps the baton");
        assert_eq!(oracle.count(), 0);
        oracle.finish();
    });
}

#[test]
fn invalid_demand_races_a_request_to_a_parked_source() {
    model("relay: invalid_demand_races_a_request_to_a_parked_source", || {
        let oracle = Oracle::new();
        let (first, _hand) = oracle.by_hand();
        oracle.relay([first]);
        let other = beside(&oracle, |oracle| oracle.request_raw(0));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the source that waits is cancelled");
        assert_eq!(oracle.finish(), [broken()]);
    });
}

#[test]
fn invalid_demand_races_emission() {
    model("relay: invalid_demand_races_emission", || {
        let oracle = Oracle::new();
        oracle.relay([oracle.sync(0..2), oracle.sync(10..12)]);
        let other = beside(&oracle, |oracle| oracle.request_raw(0));
        oracle.request(3);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        let (end, sent) = log.split_last().unwrap();
        assert_eq!(end, &broken());
        assert!(begins(&[Item(0), Item(1), Item(10)], sent), "{log:?}");
    });
}

#[test]
fn invalid_demand_inside_a_signal_races_request() {
    model("relay: invalid_demand_inside_a_signal_races_request", || {
        let oracle = Oracle::new();
        let inside = oracle.clone();
        let probe = oracle.probe(move |_| {
            inside.request_raw(0);
            More::NONE
        });
        relay(oracle.chain([oracle.sync(0..9)]), probe, drop);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0), broken()], "before the next item");
    });
}

#[test]
fn fault_races_cancel() {
    model("relay: fault_races_cancel", || {
        let oracle = Oracle::new();
        let (first, _hand) = oracle.by_hand();
        oracle.relay([first]);
        let other = beside(&oracle, Oracle::fail);
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log.is_empty() || log == [broken()], "{log:?}");
    });
}

#[test]
fn request_inside_a_signal_races_a_switch() {
    model("relay: request_inside_a_signal_races_a_switch", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let inside = oracle.clone();
        let probe = oracle.probe(move |seen| {
            if seen == 1 {
                inside.request(1);
            }
            More::NONE
        });
        relay(oracle.chain([first, oracle.sync(10..19)]), probe, drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10, 11]);
    });
}

#[test]
fn cancel_inside_a_signal_races_request() {
    model("relay: cancel_inside_a_signal_races_request", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let inside = oracle.clone();
        let probe = oracle.probe(move |_| {
            inside.cancel();
            More::NONE
        });
        relay(oracle.chain([first, oracle.sync(10..19)]), probe, drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0)], "nothing follows a cancellation inside");
    });
}

#[test]
fn answered_cancel_races_request() {
    model("relay: answered_cancel_races_request", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        relay(oracle.chain([first, oracle.sync(10..19)]), oracle.probe(|_| More::CANCEL), drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| hand.send(Token(0, oracle.alive())));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

#[test]
fn answered_cancel_races_fault() {
    model("relay: answered_cancel_races_fault", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        relay(oracle.chain([first]), oracle.probe(|_| More::CANCEL), drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| hand.send(Token(0, oracle.alive())));
        oracle.fail();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert!(log == [Item(0)] || log == [broken()], "one end, or none: {log:?}");
    });
}

/// Does something when it has its subscription, before anybody can send.
struct Hooked<S, F> {
    hook: F,
    below: S,
}

impl<S, F> Subscriber<Token, Error> for Hooked<S, F>
where
    S: Subscriber<Token, Error>,
    F: FnOnce() + Send + 'static,
{
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        let active = self.below.on_subscribe(subscription);
        (self.hook)();
        active
    }
}

/// Relays one source to a subscriber that has `inside` run in `on_subscribe`, and `other` on
/// another thread from there on. Whether the feeder was handed out, and the source asked for.
fn subscribed_beside(
    oracle: &Oracle,
    source: Source,
    inside: impl FnOnce(&Oracle) + Send + 'static,
    other: fn(&Oracle),
) -> (bool, bool) {
    let (sender, threads) = std::sync::mpsc::channel();
    let own = oracle.clone();
    let hook = move || {
        sender.send(beside(&own, other)).unwrap();
        inside(&own);
    };
    let (mut fed, asked) = (false, std::sync::Arc::new(std::sync::Mutex::new(false)));
    let chain = Watched { chain: oracle.chain([source]), asked: asked.clone() };
    let below = oracle.probe(|_| More::NONE);
    relay(chain, Hooked { hook, below }, |_| fed = true);
    threads.recv().unwrap().join().unwrap();
    let asked = *asked.lock().unwrap();
    (fed, asked)
}

/// Notes whether it was asked for its first source.
struct Watched {
    chain: Chain,
    asked: std::sync::Arc<std::sync::Mutex<bool>>,
}

impl Sequence for Watched {
    type Item = Token;
    type Error = Error;
    type Source = Source;
    type Feed = Feed;

    fn start(&mut self) -> Then<Source, Error> {
        *self.asked.lock().unwrap() = true;
        self.chain.start()
    }

    fn after(&mut self, end: SourceEnd<Error>, emitted: bool) -> Then<Source, Error> {
        self.chain.after(end, emitted)
    }

    fn fed(&mut self, feed: Feed, busy: bool) -> Then<Source, Error> {
        self.chain.fed(feed, busy)
    }
}

#[test]
fn cancel_inside_on_subscribe_races_request() {
    model("relay: cancel_inside_on_subscribe_races_request", || {
        let oracle = Oracle::new();
        let source = oracle.sync(0..9);
        let (fed, asked) =
            subscribed_beside(&oracle, source, Oracle::cancel, |oracle| oracle.request(1));
        assert_eq!((fed, asked), (false, false), "nothing begins for somebody who has gone");
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn cancel_races_the_first_source() {
    model("relay: cancel_races_the_first_source", || {
        let oracle = Oracle::new();
        let (first, _hand) = oracle.by_hand();
        subscribed_beside(&oracle, first, |_| (), Oracle::cancel);
        assert_eq!(oracle.count(), 0);
        assert_eq!(oracle.finish(), [], "a source dropped by a cancellation is no fault");
    });
}

#[test]
fn detach_races_a_switch() {
    model("relay: detach_races_a_switch", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first, oracle.sync(10..19)]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hand.complete());
        oracle.detach();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "nobody can ask, and still it lives");
        assert_eq!(oracle.finish(), [Item(10)]);
    });
}

#[test]
fn detach_races_a_late_subscription() {
    model("relay: detach_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        oracle.request(1);
        let other = beside(&oracle, move |_| start.go());
        oracle.detach();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "nobody can ask, and still it lives");
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

#[test]
fn detach_races_the_last_item_asked_for() {
    model("relay: detach_races_the_last_item_asked_for", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        oracle.relay([first]);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| hand.send(Token(0, oracle.alive())));
        oracle.detach();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "nobody can ask, and still it lives");
        assert_eq!(oracle.finish(), [Item(0)]);
    });
}

#[test]
fn request_and_detach_race_the_drop_of_a_source() {
    model("relay: request_and_detach_race_the_drop_of_a_source", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        oracle.relay([first]);
        let other = beside(&oracle, move |_| start.forget());
        oracle.request(1);
        oracle.detach();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        // It did not starve: it was asked.
        let log = oracle.finish();
        assert_eq!(log, [Signal::Fault(Fault::SourceDropped.to_string())]);
    });
}

#[test]
fn detach_races_the_drop_of_a_deaf_source() {
    model("relay: detach_races_the_drop_of_a_deaf_source", || {
        let oracle = Oracle::new();
        let (deaf, hold) = oracle.deaf();
        oracle.relay([deaf]);
        oracle.request(1);
        let other = beside(&oracle, move |_| hold.forget());
        oracle.detach();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
        let log = oracle.finish();
        assert_eq!(log, [Signal::Fault(Fault::SourceDropped.to_string())]);
    });
}

/// A stage that wants one item of upstream, and holds others to send after it.
struct Holding<S> {
    held: Items,
    owed: Credit,
    below: S,
}

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Holding<S> {
    type Active = Holding<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Holding<S::Active> {
        let Holding { held, owed, below } = self;
        Holding { held, owed, below: below.on_subscribe(subscription) }
    }
}

impl<A: ActiveSubscriber<Token, Error>> ActiveSubscriber<Token, Error> for Holding<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.owed.spend();
        let answer = self.below.on_next(item);
        self.owed.add(answer);
        More::CANCEL
    }

    fn on_request(&mut self, more: More) -> More {
        let answer = self.below.on_request(more);
        self.owed.add(answer);
        answer
    }

    fn on_end(self, _: End<Error>) -> Option<Box<dyn Rest>> {
        Emission::resumed(self.held, self.below, self.owed, None).run_within(8)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: Error) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }
}

#[test]
fn request_races_an_early_end_with_items_held() {
    model("relay: request_races_an_early_end_with_items_held", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let (held, below) = (oracle.items(10..12), oracle.probe(|_| More::NONE));
        relay(oracle.chain([first]), Holding { held, owed: Credit::NONE, below }, drop);
        oracle.request(1);
        let other = beside(&oracle, move |oracle| hand.send(Token(0, oracle.alive())));
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10], "the items held get the demand left");
    });
}

type Fed<F> = Feeder<Chain, oracle::Probe<F>>;

/// A relay that waits for feeds, and a way to feed it.
fn open<F: FnMut(u32) -> More + Send + 'static>(
    oracle: &Oracle,
    sources: impl IntoIterator<Item = Source>,
    react: F,
) -> Fed<F> {
    let mut fed = None;
    let chain = Chain { open: true, ..oracle.chain(sources) };
    relay(chain, oracle.probe(react), |feeder| fed = Some(feeder));
    fed.unwrap()
}

#[test]
fn feed_races_request() {
    model("relay: feed_races_request", || {
        let oracle = Oracle::new();
        let feeder = open(&oracle, [], |_| More::NONE);
        let source = oracle.sync(0..9);
        let other = thread::spawn(move || feeder.feed(Feed::Source(source)));
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 1]);
    });
}

#[test]
fn feed_races_the_end_of_a_source() {
    model("relay: feed_races_the_end_of_a_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let feeder = open(&oracle, [first], |_| More::NONE);
        oracle.request(2);
        let source = oracle.sync(10..19);
        let other = thread::spawn(move || feeder.feed(Feed::Source(source)));
        hand.complete();
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [10, 11], "the fed source is not forgotten");
    });
}

#[test]
fn feed_races_cancel() {
    model("relay: feed_races_cancel", || {
        let oracle = Oracle::new();
        let feeder = open(&oracle, [], |_| More::NONE);
        let (source, _hand) = oracle.by_hand();
        let other = thread::spawn(move || feeder.feed(Feed::Source(source)));
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the fed source is left alive");
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn fed_failure_races_the_end_of_a_source() {
    model("relay: fed_failure_races_the_end_of_a_source", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        let (second, _second) = oracle.by_hand();
        let feeder = open(&oracle, [first, second], |_| More::NONE);
        let other = thread::spawn(move || feeder.feed(Feed::Fail));
        hand.complete();
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Signal::Error("fed")]));
        assert_eq!(oracle.count(), 0, "a source is left alive");
        oracle.finish();
    });
}

#[test]
fn fed_failure_races_a_late_subscription() {
    model("relay: fed_failure_races_a_late_subscription", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        let feeder = open(&oracle, [first], |_| More::NONE);
        let other = thread::spawn(move || feeder.feed(Feed::Fail));
        start.go();
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Signal::Error("fed")]));
        assert_eq!(oracle.count(), 0);
        oracle.finish();
    });
}

#[test]
fn outer_failure_comes_after_the_feeds_before_it() {
    // What is fed fails too: the first failure is told.
    model("relay: outer_failure_comes_after_the_failure_before_it", || {
        let oracle = Oracle::new();
        let feeder = open(&oracle, [], |_| More::NONE);
        let other = thread::spawn(move || {
            feeder.feed(Feed::Fail);
            feeder.end(End::Failed("outer"));
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Signal::Error("fed")]));
        oracle.finish();
    });
    // What is fed is a source that goes on: it is cancelled, and the failure is told.
    model("relay: outer_failure_comes_after_the_feeds_before_it", || {
        let oracle = Oracle::new();
        let feeder = open(&oracle, [], |_| More::NONE);
        let (source, _hand) = oracle.by_hand();
        let other = thread::spawn(move || {
            feeder.feed(Feed::Source(source));
            feeder.end(End::Failed("outer"));
        });
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![Signal::Error("outer")]));
        assert_eq!(oracle.count(), 0, "the source is left alive");
        oracle.finish();
    });
}

#[test]
fn late_subscription_races_fault_and_feed() {
    model("relay: late_subscription_races_fault_and_feed", || {
        let oracle = Oracle::new();
        let (first, start) = oracle.late(0..9);
        let feeder = open(&oracle, [first], |_| More::NONE);
        let other = thread::spawn(move || start.go());
        oracle.fail();
        feeder.feed(Feed::Fail);
        drop(feeder);
        other.join().unwrap();
        assert_eq!(oracle.log(), Some(vec![broken()]), "the end that came first");
        oracle.finish();
    });
}

/// Yields at the first request of each source, as a stage does that has more to deliver.
struct Yielding<S> {
    yields: u32,
    below: S,
}

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Yielding<S> {
    type Active = Yielding<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Yielding<S::Active> {
        Yielding { yields: self.yields, below: self.below.on_subscribe(subscription) }
    }
}

impl<A: ActiveSubscriber<Token, Error>> ActiveSubscriber<Token, Error> for Yielding<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.yields = 1;
        self.below.on_next(item)
    }

    fn on_request(&mut self, more: More) -> More {
        if more == More::NONE && self.yields > 0 {
            self.yields -= 1;
            return More::YIELD;
        }
        self.below.on_request(more)
    }

    fn on_complete(self) {
        self.below.on_complete();
    }

    fn on_error(self, error: Error) {
        self.below.on_error(error);
    }

    fn on_fault(self, fault: Fault) {
        self.below.on_fault(fault);
    }
}

#[test]
fn credit_is_carried_over_although_the_next_source_is_met_with_a_yield() {
    model("relay: credit_is_carried_over_although_the_next_source_is_met_with_a_yield", || {
        let oracle = Oracle::new();
        let below = oracle.probe(|_| More::NONE);
        let chain = oracle.chain([oracle.sync(0..1), oracle.sync(10..19)]);
        relay(chain, Yielding { yields: 0, below }, drop);
        let other = beside(&oracle, |oracle| oracle.request(1));
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(items(&oracle.finish()), [0, 10, 11]);
    });
}

#[test]
fn panic_of_the_sequence_races_request() {
    struct Panics(Option<Source>);
    impl Sequence for Panics {
        type Item = Token;
        type Error = Error;
        type Source = Source;
        type Feed = Infallible;
        fn start(&mut self) -> Then<Source, Error> {
            self.0.take().map_or(Then::Wait, Then::Subscribe)
        }
        fn after(&mut self, _: SourceEnd<Error>, _: bool) -> Then<Source, Error> {
            // Not a panic of its own: it would print in every schedule.
            std::panic::resume_unwind(Box::new("broken"))
        }
        fn fed(&mut self, feed: Infallible, _: bool) -> Then<Source, Error> {
            match feed {}
        }
    }
    model("relay: panic_of_the_sequence_races_request", || {
        let oracle = Oracle::new();
        let (first, hand) = oracle.by_hand();
        relay(Panics(Some(first)), oracle.probe(|_| More::NONE), drop);
        let other = thread::spawn(move || hand.complete());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "a panic frees it all");
        let log = oracle.finish();
        assert!(matches!(&log[..], [Signal::Fault(_)]), "{log:?}");
    });
}

/// Uses the subscription when it is dropped.
struct Uses(Oracle);

impl Drop for Uses {
    fn drop(&mut self) {
        self.0.request(1);
        self.0.cancel();
    }
}

#[test]
fn a_spent_source_is_dropped_outside_of_the_lock() {
    model("relay: a_spent_source_is_dropped_outside_of_the_lock", || {
        let oracle = Oracle::new();
        let empty = Source::Empty(Box::new(Uses(oracle.clone())));
        oracle.relay([empty, oracle.sync(10..19)]);
        drop(oracle.finish());
    });
}
