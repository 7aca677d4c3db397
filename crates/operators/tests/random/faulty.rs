//! An operator with a fault, which the test must find.

use millstream_core::{More, Pulled};
use millstream_operators::shape::stage::{Books, Emit, Stage, Step};
use millstream_testkit::Token;
use millstream_testkit::sweep::TestError;

use crate::oracle::passes;
use crate::spec::Flaw;

/// A `filter`, but for its flaw.
#[derive(Clone)]
pub(crate) struct Faulty {
    flaw: Flaw,
    seen: u64,
    hoard: Vec<Token>,
}

impl Faulty {
    pub(crate) fn on<P>(upstream: P, flaw: Flaw) -> Stage<P, Faulty> {
        Stage::new(upstream, Faulty { flaw, seen: 0, hoard: Vec::new() })
    }
}

impl Step<Token, TestError> for Faulty {
    type Item = Token;
    type Error = TestError;
    type Books = Books<TestError>;

    fn next(&mut self, item: Token) -> Emit<Token, Token, TestError> {
        self.seen += 1;
        let passes = passes(item.value(), 3);
        match self.flaw {
            Flaw::DoesNotReplenish if !passes => Emit::Discard(item),
            Flaw::Loses if self.seen == 3 => Emit::Skip(item),
            Flaw::Leaks if !passes => {
                std::mem::forget(item);
                Emit::KeepAsking
            }
            Flaw::Hoards => {
                self.hoard.push(item.clone());
                if passes { Emit::Item(item) } else { Emit::Skip(item) }
            }
            _ if passes => Emit::Item(item),
            _ => Emit::Skip(item),
        }
    }

    fn demand(&mut self, more: More) -> More {
        if self.flaw == Flaw::Floods && more != More::NONE { More::UNBOUNDED } else { more }
    }

    fn error(&mut self, error: TestError) -> Pulled<Token, TestError> {
        Pulled::Error(error)
    }
}
