//! The rules by number, and the [`Report`] on them.

use std::fmt;

macro_rules! rules {
    ($($name:ident $number:literal $meaning:literal $otherwise:literal;)+) => {
        /// A rule of Reactive Streams, by its number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!($number, ": ", $meaning)] $name,)+
        }

        impl Rule {
            /// All 43, in order.
            pub const ALL: [Rule; 43] = [$(Rule::$name),+];

            /// The number, as in "1.1".
            #[must_use]
            pub fn number(self) -> &'static str {
                match self { $(Rule::$name => $number),+ }
            }

            /// What it says, in our words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Rule::$name => $meaning),+ }
            }

            /// What enforces it where no test can, or what else does.
            #[must_use]
            pub fn enforced_by(self) -> &'static str {
                match self { $(Rule::$name => $otherwise),+ }
            }
        }
    };
}

rules! {
    R1_01 "1.1" "never more items than were asked for" "test; models of the demand word";
    R1_02 "1.2" "fewer items than asked for are allowed, followed by an end" "documentation: a permission";
    R1_03 "1.3" "signals to one subscriber never overlap" "type: `ActiveSubscriber::on_next(&mut self)`, compile-fail example there; models of the turn";
    R1_04 "1.4" "a publisher that fails says so by `on_error`" "test";
    R1_05 "1.5" "a finite stream ends by `on_complete`" "test";
    R1_06 "1.6" "after an end the subscription counts as cancelled" "test; model of the demand word";
    R1_07 "1.7" "nothing follows an end" "type: ends take `self`, compile-fail examples on `ActiveSubscriber`";
    R1_08 "1.8" "after a cancellation the signals stop" "test; models of the turn";
    R1_09 "1.9" "`on_subscribe` comes first, and `subscribe` returns normally" "test; order by type: only what `on_subscribe` returns can be sent items";
    R1_10 "1.10" "a subscriber is used for one subscription" "type: `Publisher::subscribe` takes it by value, compile-fail example there";
    R1_11 "1.11" "a publisher may serve several subscribers" "documentation: a permission; by type only a `Clone` publisher does";
    R2_01 "2.1" "a subscriber asks for what it wants to receive" "test";
    R2_02 "2.2" "slow work should be done elsewhere" "documentation: a recommendation";
    R2_03 "2.3" "no request from inside an end" "test; dropping the subscription there does nothing";
    R2_04 "2.4" "after an end the subscription counts as cancelled" "test; type: an end consumes the subscriber with its subscription";
    R2_05 "2.5" "a second subscription is cancelled" "type: `Subscriber::on_subscribe(self)`, compile-fail example there";
    R2_06 "2.6" "what is no longer needed is cancelled" "type: dropping a `Subscription` cancels";
    R2_07 "2.7" "requests and cancellation are serial" "type: a `Subscription` is not `Clone`, compile-fail example there; models of the demand word";
    R2_08 "2.8" "an item may still arrive after a cancellation" "test";
    R2_09 "2.9" "completion may come without a request" "test";
    R2_10 "2.10" "an error may come without a request" "test";
    R2_11 "2.11" "what happens before a signal is visible to its receiver" "type: all of it is `Send`, compile-fail example on `ActiveSubscriber`; models of the turn";
    R2_12 "2.12" "`on_subscribe` comes once" "type: `Subscriber::on_subscribe(self)`, compile-fail example there";
    R2_13 "2.13" "signals return normally; a subscriber that panics counts as cancelled" "test";
    R3_01 "3.1" "only the subscriber asks and cancels" "type: a `Subscription` has one owner and is not `Clone`";
    R3_02 "3.2" "a request may be made from inside `on_subscribe` and `on_next`" "test; models of the turn";
    R3_03 "3.3" "requests from inside items do not use up the stack" "test; for one subscriber by type: re-entry needs a second `&mut`";
    R3_04 "3.4" "a request should return soon" "documentation: a recommendation; benchmarks";
    R3_05 "3.5" "cancellation returns soon and may come from any thread" "test; models of the demand word";
    R3_06 "3.6" "a request after cancellation does nothing" "test; type: `Subscription::cancel(self)`, compile-fail example there";
    R3_07 "3.7" "a cancellation after cancellation does nothing" "test; type: `Subscription::cancel(self)`, compile-fail example there";
    R3_08 "3.8" "a request adds to the demand" "test; models of the demand word";
    R3_09 "3.9" "a request for zero or fewer ends the stream with a fault" "test of the raw entry; type: `Demand` is not zero, compile-fail example there";
    R3_10 "3.10" "a request may send items before it returns" "documentation: a permission";
    R3_11 "3.11" "a request may send an end before it returns" "documentation: a permission";
    R3_12 "3.12" "a cancellation makes the publisher stop" "test; models of the turn";
    R3_13 "3.13" "a cancellation makes the publisher drop the subscriber" "test; models of the turn";
    R3_14 "3.14" "a cancellation may shut a publisher down" "documentation: a permission";
    R3_15 "3.15" "a cancellation returns normally" "test; type: it has no result";
    R3_16 "3.16" "a request returns normally" "test; type: it has no result";
    R3_17 "3.17" "any number of requests, and demand of any size" "test; type: `Demand` saturates";
    R4_01 "4.1" "a processor keeps the rules of both sides" "test";
    R4_02 "4.2" "a processor passes an error on, or recovers and is done with its upstream" "test";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} ({})", self.number(), self.meaning())
    }
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was tested and holds.
    Kept,
    /// It was tested and does not hold.
    Broken {
        /// What happened instead, with its values.
        what: String,
        /// What the probe saw.
        log: String,
    },
    /// It was not tested, and why: what enforces it instead.
    NotTestable(String),
}

/// What came of all 43 rules.
#[derive(Debug, Clone)]
#[must_use = "a report says nothing until it is looked at: `assert_kept`"]
pub struct Report {
    verdicts: Vec<(Rule, Verdict)>,
}

impl Report {
    pub(crate) fn of(mut judge: impl FnMut(Rule) -> Verdict) -> Report {
        Report { verdicts: Rule::ALL.into_iter().map(|rule| (rule, judge(rule))).collect() }
    }

    pub(crate) fn set(&mut self, rule: Rule, verdict: Verdict) {
        self.verdicts[rule as usize].1 = verdict;
    }

    /// All 43 rules, in order, with what came of each.
    #[must_use]
    pub fn verdicts(&self) -> &[(Rule, Verdict)] {
        &self.verdicts
    }

    /// What came of `rule`.
    #[must_use]
    pub fn verdict(&self, rule: Rule) -> &Verdict {
        &self.verdicts[rule as usize].1
    }

    /// The rules that are broken.
    #[must_use]
    pub fn broken(&self) -> Vec<Rule> {
        self.with(|verdict| matches!(verdict, Verdict::Broken { .. }))
    }

    /// The rules that were tested and hold.
    #[must_use]
    pub fn kept(&self) -> Vec<Rule> {
        self.with(|verdict| *verdict == Verdict::Kept)
    }

    fn with(&self, fits: impl Fn(&Verdict) -> bool) -> Vec<Rule> {
        let fitting = self.verdicts.iter().filter(|(_, verdict)| fits(verdict));
        fitting.map(|(rule, _)| *rule).collect()
    }

    /// No rule is broken.
    ///
    /// # Panics
    /// Where one is, with the whole report.
    #[track_caller]
    pub fn assert_kept(&self) {
        assert!(self.broken().is_empty(), "rules are broken:\n{self}");
    }

    /// Exactly these rules are broken: for tests of publishers that are wrong on purpose.
    ///
    /// # Panics
    /// Where it is not so, with the whole report.
    #[track_caller]
    pub fn assert_broken(&self, expected: &[Rule]) {
        assert!(
            self.broken() == expected,
            "expected {expected:?} to be broken, got {:?}:\n{self}",
            self.broken()
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, verdict) in &self.verdicts {
            let number = rule.number();
            match verdict {
                Verdict::Kept => writeln!(f, "{number:>5} kept")?,
                Verdict::Broken { what, log } => {
                    writeln!(f, "{number:>5} BROKEN: {}\n      {what}\n{log}", rule.meaning())?;
                }
                Verdict::NotTestable(why) => writeln!(f, "{number:>5} not tested: {why}")?,
            }
        }
        Ok(())
    }
}
