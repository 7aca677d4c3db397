//! Looks at the signals between two stages.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use millstream_core::{
    ActiveSubscriber, Context, Credit, End, Fault, More, Publisher, Rest, Subscriber, Subscription,
};
use millstream_testkit::{Ledger, Token};

/// What must hold at each instant, and what did not.
pub(crate) struct Bounds {
    ledger: Ledger,
    live: u64,
    most: AtomicU64,
    breaches: Mutex<Vec<String>>,
}

impl Bounds {
    pub(crate) fn new(ledger: Ledger, live: u64) -> Bounds {
        Bounds { ledger, live, most: AtomicU64::new(0), breaches: Mutex::default() }
    }

    /// Looks how many items there are.
    pub(crate) fn look(&self) {
        let live = self.ledger.live();
        if live > self.live && self.most.fetch_max(live, SeqCst) == 0 {
            self.breach(format!("{live} items are inside, where {} may be", self.live));
        }
    }

    pub(crate) fn breach(&self, what: String) {
        self.breaches.lock().expect("nothing panics with this lock").push(what);
    }

    pub(crate) fn breaches(&self) -> Vec<String> {
        self.breaches.lock().expect("nothing panics with this lock").clone()
    }

    /// The edge after so many operators.
    pub(crate) fn edge(self: &Arc<Self>, index: usize) -> Watch {
        Watch { bounds: self.clone(), index }
    }
}

#[derive(Clone)]
pub(crate) struct Watch {
    bounds: Arc<Bounds>,
    index: usize,
}

impl Watch {
    fn breach(&self, what: &str) {
        self.bounds.breach(format!("after {} operators: {what}", self.index));
    }
}

/// A publisher whose signals are looked at; it changes none.
#[derive(Clone)]
pub(crate) struct Edge<P> {
    upstream: P,
    watch: Watch,
}

impl<P> Edge<P> {
    pub(crate) fn new(upstream: P, watch: Watch) -> Edge<P> {
        Edge { upstream, watch }
    }
}

impl<P: Publisher<Item = Token>> Publisher for Edge<P> {
    type Item = Token;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Token, P::Error>>(self, subscriber: S) {
        self.upstream.subscribe(EdgeSubscriber { downstream: subscriber, watch: self.watch });
    }
}

struct EdgeSubscriber<S> {
    downstream: S,
    watch: Watch,
}

impl<E: 'static, S: Subscriber<Token, E>> Subscriber<Token, E> for EdgeSubscriber<S> {
    type Active = ActiveEdge<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        ActiveEdge {
            downstream: self.downstream.on_subscribe(subscription),
            watch: self.watch,
            credit: Credit::NONE,
            enough: false,
        }
    }

    fn context(&self) -> Context {
        self.downstream.context()
    }
}

struct ActiveEdge<A> {
    downstream: A,
    watch: Watch,
    credit: Credit,
    enough: bool,
}

impl<A> ActiveEdge<A> {
    fn answered(&mut self, more: More) -> More {
        self.credit.add(more);
        self.enough |= more.is_cancel();
        more
    }
}

impl<E: 'static, A: ActiveSubscriber<Token, E>> ActiveSubscriber<Token, E> for ActiveEdge<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.watch.bounds.look();
        if self.enough {
            self.watch.breach("an item after the answer `cancel` (rule 1.8)");
        }
        if self.credit.is_empty() {
            self.watch.breach("an item without demand (rule 1.1)");
        } else {
            self.credit.spend();
        }
        let more = self.downstream.on_next(item);
        self.answered(more)
    }

    fn on_request(&mut self, more: More) -> More {
        if self.enough {
            self.watch.breach("a request after the answer `cancel`");
        }
        let more = self.downstream.on_request(more);
        self.answered(more)
    }

    fn on_complete(self) {
        drop(ActiveSubscriber::<Token, E>::on_end(self, End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(ActiveSubscriber::<Token, E>::on_end(self, End::Fault(fault)));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        if self.enough && matches!(end, End::Completed | End::Failed(_)) {
            self.watch.breach("an end after the answer `cancel`");
        }
        self.downstream.on_end(end)
    }
}
