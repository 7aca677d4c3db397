//! Models of the sources that others fill: whoever sends runs what follows, or leaves it to whoever
//! does; nobody hangs, and nothing is kept.

use millstream_core::{Fault, More, Publisher};
use millstream_operators::source::{Overflow, SendError, try_channel, try_emitter};
use millstream_sync::{deep_model as model, thread};
use millstream_testkit::model::run;

use crate::oracle::Signal::{self, Complete, Item};
use crate::oracle::{Error, Oracle, Token, begins};
use crate::{all, split};

fn lost() -> Signal {
    Signal::Fault(Fault::SourceDropped.to_string())
}

#[test]
fn two_senders_race_requests() {
    model("channel: two_senders_race_requests", || {
        let oracle = Oracle::new();
        let (sender, items) = try_channel::<Token, Error>(2);
        items.subscribe(oracle.probe(|_| More::NONE));
        let (second, item) = (sender.clone(), Token(1, oracle.alive()));
        let other = thread::spawn(move || {
            assert!(second.try_send(item).is_ok());
            second.complete();
        });
        oracle.request(1);
        assert!(sender.try_send(Token(10, oracle.alive())).is_ok());
        sender.complete();
        oracle.request(1);
        other.join().unwrap();
        let log = oracle.finish();
        let (mut sent, end) = split(&log);
        sent.sort_unstable();
        assert_eq!((&sent[..], end), (&[1, 10][..], Some(&Complete)));
    });
}

#[test]
fn a_sender_that_waits_races_requests() {
    model("channel: a_sender_that_waits_races_requests", || {
        let oracle = Oracle::new();
        let (sender, items) = try_channel::<Token, Error>(1);
        items.subscribe(oracle.probe(|_| More::NONE));
        let tokens = (0..3).map(|n| Token(n, oracle.alive())).collect::<Vec<_>>();
        let task = async move {
            for token in tokens {
                assert!(sender.send(token).await.is_ok());
            }
            sender.complete();
        };
        let sends = thread::spawn(move || run(Some(task)));
        oracle.request(1);
        oracle.request(2);
        sends.join().unwrap();
        assert_eq!(oracle.finish(), all(0..3));
    });
}

#[test]
fn a_sender_that_waits_races_a_cancellation() {
    model("channel: a_sender_that_waits_races_a_cancellation", || {
        let oracle = Oracle::new();
        let (sender, items) = try_channel::<Token, Error>(1);
        items.subscribe(oracle.probe(|_| More::NONE));
        let tokens = (0..3).map(|n| Token(n, oracle.alive())).collect::<Vec<_>>();
        let task = async move {
            for token in tokens {
                let n = token.0;
                if let Err(SendError(back)) = sender.send(token).await {
                    assert_eq!(back.0, n, "its own item");
                }
            }
        };
        let sends = thread::spawn(move || run(Some(task)));
        oracle.request(1);
        oracle.cancel();
        sends.join().unwrap();
        assert!(begins(&all(0..1), &oracle.finish()));
    });
}

/// Row 75 of the known bugs.
#[test]
fn a_sender_that_is_lost_races_a_request_and_another_sender() {
    model("channel: a_sender_that_is_lost_races_a_request_and_another_sender", || {
        let oracle = Oracle::new();
        let (sender, items) = try_channel::<Token, Error>(2);
        items.subscribe(oracle.probe(|_| More::NONE));
        let (second, item) = (sender.clone(), Token(0, oracle.alive()));
        let sends = thread::spawn(move || {
            assert!(second.try_send(item).is_ok());
            second.complete();
        });
        let loses = thread::spawn(move || drop(sender));
        oracle.request(1);
        sends.join().unwrap();
        loses.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), lost()]);
    });
}

#[test]
fn two_emitters_race_a_request() {
    model("channel: two_emitters_race_a_request", || {
        let oracle = Oracle::new();
        let spilled = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = spilled.clone();
        let overflow = Overflow::drop_oldest()
            .on_drop(move |item: Token, _| told.lock().unwrap().push(item.0));
        let (emitter, items) = try_emitter::<Token, Error>(1, overflow);
        items.subscribe(oracle.probe(|_| More::NONE));
        let (second, item) = (emitter.clone(), Token(1, oracle.alive()));
        let other = thread::spawn(move || {
            assert!(second.emit(item).is_ok());
            second.complete();
        });
        assert!(emitter.emit(Token(2, oracle.alive())).is_ok());
        emitter.complete();
        oracle.request(1);
        other.join().unwrap();
        oracle.request(1);
        let log = oracle.finish();
        let (mut seen, end) = split(&log);
        seen.append(&mut spilled.lock().unwrap());
        seen.sort_unstable();
        assert_eq!((&seen[..], end), (&[1, 2][..], Some(&Complete)), "{log:?}");
    });
}
