//! The sweep passes operators that are right, and says what is wrong with those that are not.

use millstream::Pulled;
use std::time::Duration;

use millstream::prelude::*;
use millstream::shape::pump::{Expand, Pump};
use millstream::shape::stage::{Books, Emit, Stage, Step};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Token, rows};

/// All items from the last to the first: held past the end of upstream.
struct Reversed(Vec<Token>);

impl Step<Token, TestError> for Reversed {
    type Item = Token;
    type Error = TestError;
    type Books = Books<TestError>;
    const HOLDS: bool = true;

    fn next(&mut self, item: Token) -> Emit<Token, Token, TestError> {
        self.0.push(item);
        Emit::KeepAsking
    }

    fn complete(&mut self) -> Pulled<Token, TestError> {
        self.0.pop().map_or(Pulled::Complete, Pulled::Item)
    }

    fn error(&mut self, error: TestError) -> Pulled<Token, TestError> {
        Pulled::Error(error)
    }

    fn held(&mut self) -> Option<Token> {
        self.0.pop()
    }
}

/// Each item three times: more out than in.
struct Thrice(Vec<Token>);

impl Expand<Token, TestError> for Thrice {
    type Item = Token;
    type Error = TestError;

    fn accept(&mut self, item: Token) {
        self.0 = vec![item; 3];
    }

    fn produce(&mut self) -> Pulled<Token, TestError> {
        self.0.pop().map_or(Pulled::Pending, Pulled::Item)
    }

    fn look_ahead(&mut self) -> Pulled<Token, TestError> {
        if self.0.is_empty() { Pulled::Complete } else { Pulled::Pending }
    }

    fn error(&mut self, error: TestError) -> TestError {
        error
    }
}

rows! {
    reversed: |source| Stage::new(source, Reversed(vec![])), |items| items.into_iter().rev(),
        |options| options.bursts();
    thrice: |source| Pump::new(source, Thrice(vec![])), |items| items.into_iter().flat_map(|n| [n; 3]),
        |options| options.bursts();
    thrice_reversed: |source| Stage::new(Pump::new(source, Thrice(vec![])), Reversed(vec![])),
        |items| items.into_iter().rev().flat_map(|n| [n; 3]),
        |options| options.bursts();
    reversed_thrice: |source| Pump::new(Stage::new(source, Reversed(vec![])), Thrice(vec![])),
        |items| items.into_iter().rev().flat_map(|n| [n; 3]),
        |options| options.bursts();
    reversed_below_an_early_end: |source| Stage::new(source.take(3), Reversed(vec![])),
        |items| items.into_iter().take(3).rev().collect::<Vec<_>>(),
        |options| options.bursts();
    source_alone: |source| source, |items| items;
    map: |source| source.map(|n| n.map(|n| n + 1)), |items| items.iter().map(|n| n + 1);
    filter: |source| source.filter(|n| n.value() % 2 == 0), |items| items.into_iter().filter(|n| n % 2 == 0);
    filter_all: |source| source.filter(|_| false), |_items| [];
    take: |source| source.take(2), |items| items.into_iter().take(2);
    take_none: |source| source.take(0), |_items| [];
    chain_of_three: |source| source.map(|n| n).filter(|_| true).take(3), |items| items.into_iter().take(3);
    boxed: |source| source.boxed(), |items| items, |options| options.long(1_000);
    on_other_threads: |source| source.on_other_threads().map(|n| n), |items| items,
        |options| options.patience(Duration::from_secs(20)).long(500);
    retry: |source| source.retry(2), |items| items, |options| options.recovers();
    chunks: |source| source.chunks(2), |items| items.chunks(2).map(<[i64]>::to_vec);
    mapped_to_numbers: |source| source.map(|n| n.value()), |items| items;
}
