//! Timed operators against models, on random schedules in virtual time.
//!
//! A schedule is a list of [events](Event), each at a millisecond. A [`Model`] is a plain function
//! of what has come and what was asked for until now; it is run once at each millisecond and after
//! each event, as the operator is. What was sent, when, what was discarded and how it ended have to
//! be the same at every event; no item may come without demand, and in the end no item and no timer
//! may be left.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::prelude::*;
use millstream::source::Channel;
use millstream_testkit::{Behaviour, Event as Told, Ledger, Token, VirtualTime, probe};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// So many items come at once.
    Send(u8),
    /// Downstream asks for so many.
    Request(u8),
    /// So many milliseconds pass.
    Pass(u8),
    /// So many milliseconds pass in which no task runs: timers are that late.
    Stall(u8),
    Complete,
    Fail,
    Cancel,
}

/// Whether tasks may be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stalls {
    Happen,
    Never,
}

fn event(stalls: Stalls) -> impl Strategy<Value = Event> {
    let late = if stalls == Stalls::Happen { 2 } else { 0 };
    prop_oneof![
        8 => (1..4_u8).prop_map(Event::Send),
        6 => (1..4_u8).prop_map(Event::Request),
        8 => (1..12_u8).prop_map(Event::Pass),
        late => (1..12_u8).prop_map(Event::Stall),
        1 => Just(Event::Complete),
        1 => Just(Event::Fail),
        1 => Just(Event::Cancel),
    ]
}

/// What comes from upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Item(i64),
    Complete,
    Fail,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// As upstream.
    Fail,
    /// By an error of the operator's own.
    Own,
}

/// What a model sees and does.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// In milliseconds.
    pub(crate) now: u64,
    /// What came and was not taken.
    pub(crate) inbox: VecDeque<Signal>,
    pub(crate) demand: u64,
    seen: Seen,
}

impl World {
    pub(crate) fn send(&mut self, item: i64) {
        assert!(self.demand > 0, "the model sends without demand");
        self.demand -= 1;
        self.seen.sent.push((self.now, item));
    }

    pub(crate) fn discard(&mut self, item: i64) {
        self.seen.discarded.push(item);
    }

    pub(crate) fn end(&mut self, end: End) {
        self.seen.end = Some((self.now, end));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.seen.end.is_some()
    }
}

/// What is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    sent: Vec<(u64, i64)>,
    discarded: Vec<i64>,
    end: Option<(u64, End)>,
}

pub(crate) type Upstream = Channel<Token, ()>;

/// `model` is called whenever something may be done, and does all that can be.
pub(crate) fn same<P>(
    stalls: Stalls,
    operator: impl Fn(Upstream, VirtualTime) -> P,
    model: impl Fn() -> Box<dyn FnMut(&mut World)>,
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    let config = Config { failure_persistence: None, ..Config::default() };
    let events = proptest::collection::vec(event(stalls), 0..60);
    let done = TestRunner::new(config).run(&(events, any::<u64>()), |(events, seed)| {
        run(&events, seed, &operator, &mut *model(), &own);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

fn run<P>(
    events: &[Event],
    seed: u64,
    operator: impl Fn(Upstream, VirtualTime) -> P,
    model: &mut dyn FnMut(&mut World),
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    let (time, ledger) = (VirtualTime::new(seed), Ledger::new());
    let (sender, items) = millstream::try_channel::<Token, ()>(1000);
    let mut sender = Some(sender);
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let hook = discarded.clone();
    let publisher = operator(items, time.clone())
        .on_discard(move |item: Token| hook.lock().unwrap().push(item.value()));
    let probe = probe(publisher, Behaviour::new());
    let (mut world, mut seen, mut came) = (World::default(), Seen::default(), 0);
    let (mut cancelled, mut heard) = (false, 0);

    let mut compare =
        |world: &mut World, model: &mut dyn FnMut(&mut World), what: &dyn Fn() -> String| {
            time.run_until_idle();
            if !world.is_over() {
                model(world);
            }
            let log = probe.log();
            for told in log.iter().skip(heard) {
                match told {
                    Told::Next(item) => seen.sent.push((world.now, item.value())),
                    Told::Completed => seen.end = Some((world.now, End::Complete)),
                    Told::Failed(error) => {
                        let end = if own(error) { End::Own } else { End::Fail };
                        seen.end = Some((world.now, end));
                    }
                    _ => {}
                }
            }
            heard = log.len();
            seen.discarded.clone_from(&discarded.lock().unwrap());
            assert_eq!(seen, world.seen, "after {}, operator left, model right", what());
            assert_eq!(probe.violations(), [], "after {}", what());
        };

    compare(&mut world, model, &|| "the subscription".into());
    for (n, event) in events.iter().enumerate() {
        let what = || format!("event {n}, {event:?}, of {events:?}");
        match *event {
            Event::Send(n) => {
                for _ in 0..n {
                    let Some(sender) = &sender else { break };
                    if sender.try_send(ledger.token(came + 1)).is_ok() {
                        came += 1;
                        world.inbox.push_back(Signal::Item(came));
                    }
                }
            }
            Event::Request(n) => {
                probe.request(n.into());
                world.demand += u64::from(n);
            }
            Event::Pass(n) => {
                compare(&mut world, model, &what);
                for _ in 0..n {
                    time.advance(Duration::from_millis(1));
                    world.now += 1;
                    compare(&mut world, model, &what);
                }
            }
            Event::Stall(n) => {
                time.clock().advance(Duration::from_millis(n.into()));
                world.now += u64::from(n);
                // The next event comes before the tasks run.
                continue;
            }
            Event::Complete => {
                if let Some(sender) = sender.take() {
                    sender.complete();
                    world.inbox.push_back(Signal::Complete);
                }
            }
            Event::Fail => {
                if let Some(sender) = sender.take() {
                    let _gone = sender.fail(());
                    world.inbox.push_back(Signal::Fail);
                }
            }
            Event::Cancel => {
                cancelled = true;
                break;
            }
        }
        compare(&mut world, model, &what);
    }
    if cancelled || !probe.is_ended() {
        probe.cancel();
        time.run_until_idle();
        assert!(!probe.is_ended() || seen.end.is_some(), "an end after a cancellation: {events:?}");
    }
    let received = world.seen.sent.len() + world.seen.discarded.len();
    drop(sender);
    assert_eq!(time.clock().timers(), 0, "a timer is left of {events:?}");
    let sent = probe.items().len();
    drop(probe);
    let all = sent + discarded.lock().unwrap().len();
    assert_eq!(
        all as i64, came,
        "of those that came, {received} were seen by the model: {events:?}"
    );
    time.run_until_idle();
    drop(time);
    ledger.assert_settled();
}
