//! Models of the token: a task that adds up what is asked sees all of it, whoever polls it.

mod wakers;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use millstream_blocks::token::TaskToken;
use millstream_core::{Credit, Demand, More};
use millstream_model::Runner;
use millstream_sync::{model, thread};
use wakers::waker;

/// Ready when it was asked for as many as it waits for, or when the word was closed.
struct Adds {
    token: Arc<TaskToken>,
    asked: Credit,
    wanted: u64,
}

fn adds(wanted: u64) -> (Arc<TaskToken>, Runner<Adds>) {
    let token = Arc::new(TaskToken::held());
    (token.clone(), Runner::new(Adds { token, asked: Credit::NONE, wanted }))
}

impl Future for Adds {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Adds { token, asked, wanted } = &mut *self;
        if !token.is_due(cx.waker()) {
            return Poll::Pending;
        }
        loop {
            let claim = token.claim();
            asked.add(claim.more);
            if claim.closed || asked.clone().take() == More::of(*wanted) {
                return Poll::Ready(());
            }
            if token.rest(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

#[test]
fn requests_race_the_first_poll() {
    model("token: requests_race_the_first_poll", || {
        let (token, runner) = adds(2);
        let executor = thread::spawn(move || runner.run());
        token.request(Demand::ONE);
        token.request(Demand::ONE);
        executor.join().unwrap();
    });
}

#[test]
fn requests_race_a_poll_that_nobody_asked_for() {
    model("token: requests_race_a_poll_that_nobody_asked_for", || {
        let (token, mut runner) = adds(2);
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run());
        token.request(Demand::ONE);
        token.request(Demand::ONE);
        executor.join().unwrap();
    });
}

/// What wakes the task by the waker of the last poll but one has come before the next: it is seen.
#[test]
fn a_request_races_a_poll_by_another_waker() {
    model("token: a_request_races_a_poll_by_another_waker", || {
        let (token, mut runner) = adds(2);
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.moved().run());
        token.request(Demand::of(2));
        executor.join().unwrap();
    });
}

#[test]
fn a_cancellation_races_a_request_and_the_task() {
    model("token: a_cancellation_races_a_request_and_the_task", || {
        let (token, mut runner) = adds(2);
        assert!(!runner.poll());
        let executor = thread::spawn(move || runner.run_when_woken());
        let theirs = token.clone();
        let other = thread::spawn(move || theirs.cancel());
        token.request(Demand::ONE);
        other.join().unwrap();
        executor.join().unwrap();
        assert!(token.word().is_closed());
    });
}

#[test]
fn the_first_poll_runs_without_a_knock() {
    model("token: the_first_poll_runs_without_a_knock", || {
        let (_token, mut runner) = adds(0);
        assert!(runner.poll());
    });
}

#[test]
fn a_task_that_rests_is_woken_once() {
    model("token: a_task_that_rests_is_woken_once", || {
        let token = Arc::new(TaskToken::held());
        let (woken, waker) = waker();
        assert!(token.rest(&waker));
        let theirs = token.clone();
        let other = thread::spawn(move || theirs.signal());
        token.request(Demand::ONE);
        other.join().unwrap();
        assert_eq!(woken.count(), 1);
        let claim = token.claim();
        assert_eq!((claim.more, claim.signalled, claim.closed), (More::ONE, true, false));
    });
}
