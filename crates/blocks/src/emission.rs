//! The loop that sends items while there is demand.
//!
//! There is one such loop in the library. It owns a source to [`Pull`] from and the
//! [`ActiveSubscriber`] below it, counts what downstream still wants in a plain [`Credit`], and
//! knows nothing of threads: an [`island`](crate::island) runs it in its turn, and a stage that
//! holds items past the end of its upstream hands it on as a [`Rest`].
//!
//! * An item is pulled only with credit, so nothing is produced that may not be sent (rule 1.1).
//! * The answer to an item is added to the credit without any atomic operation.
//! * `interrupted` is asked before each item: a cancellation from another thread, or by dropping
//!   the subscription inside a signal, takes effect before the next item. The source is a local
//!   while it runs, so that looking at an atomic does not force it into memory. Where nobody is
//!   left who could interrupt, it says so to the compiler, and there is nothing to look at.
//! * Where the one who runs it lets others run after some items, a loop counts them in a register:
//!   see `Pace`.
//! * Without bound there is no counting of credit.
//! * A source that is [sure](Pull::size_hint) of its next items sends them in *blocks*, as far as
//!   there is credit for a whole one: within a block nothing looks whether the credit or the source
//!   is used up. Answers still count: one that cancels ends the stream at that item, and more
//!   demand is there for the next block.
//! * When the credit is used up the source is asked whether it is over, because an end needs no
//!   demand (rules 2.9, 2.10).
//! * An answer that cancels is followed by one question: why ([`cause`](crate::cause)).
//! * The source is dropped before downstream is told the end, whichever it is. A destructor that
//!   panics does not keep the end from downstream: the panic is told in its place.

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, needs_drop};
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_core::{
    ActiveSubscriber, Credit, End, Fault, More, Panic, Progress, Pull, Pulled, Rest, Undelivered,
    report_undelivered,
};

use crate::boxed::send;
use crate::cause::enter;

/// How often a source that skips items is asked at most whether it is over, while there is no
/// demand: it may have no end, and nobody asked for its items.
const LOOKS: u32 = 64;

/// How many items there are in a block.
const BLOCK: usize = 8;

/// From how much credit on items are sent in blocks, while there is as much as for one.
const ENOUGH: u64 = 4 * BLOCK as u64;

/// Who says that a loop is to stop, though there is credit.
///
/// A function is asked before each item, and whenever else the loop looks up. One that counts items
/// does so in a number that the loop lends it: where a sink may write anywhere, a count in memory is
/// read and written for each item, one after the other.
pub(crate) trait Pace: Copy {
    /// What is counted while a loop runs.
    type Count;

    /// A loop begins.
    fn begin(self) -> Self::Count;

    /// Whether to stop before the next item.
    fn spends(self, count: &mut Self::Count) -> bool;

    /// The loop is over.
    fn end(self, count: Self::Count);

    /// Whether to stop, outside of such loops.
    fn interrupted(self) -> bool;

    /// [`interrupted`](Pace::interrupted), as a function for what is not compiled for each pace.
    #[inline]
    fn look(self) -> impl Fn() -> bool {
        move || self.interrupted()
    }
}

impl<F: Fn() -> bool + Copy> Pace for F {
    type Count = ();

    #[inline]
    fn begin(self) {}

    #[inline]
    fn spends(self, (): &mut ()) -> bool {
        self()
    }

    #[inline]
    fn end(self, (): ()) {}

    #[inline]
    fn interrupted(self) -> bool {
        self()
    }
}

/// The pace where nobody interrupts. No closure: a closure is another one for each source.
fn never() -> bool {
    false
}

/// The pace of as many items as are `left`.
fn spends(left: &Cell<u32>) -> impl Fn() -> bool {
    move || match left.get() {
        0 => true,
        n => {
            left.set(n - 1);
            false
        }
    }
}

/// What became of an item that was offered.
pub(crate) enum Offered<T> {
    /// It was sent, and there is credit for another.
    Taken,
    /// It was sent, and then what is said.
    Stopped(Progress),
    /// It was not sent.
    Refused(T),
}

/// A source, the subscriber below it, and the credit between them. See the [module](self).
pub struct Emission<P: Pull, A> {
    // Source and subscriber are away only while they run: a local that nobody else can see stays in
    // registers, whatever a sink does to memory.
    source: Source<P>,
    /// A panic puts it back: it is to be told.
    active: Option<A>,
    credit: Credit,
}

/// A source, and what it gave that is not sent yet. Compiled once for all subscribers.
struct Source<P: Pull> {
    /// A panic drops it where it runs, as it should.
    producer: Option<P>,
    /// An item that was pulled to find out whether the source is over: sent next.
    ahead: Option<P::Item>,
    started: bool,
    end: Option<End<P::Error>>,
}

impl<P: Pull> Source<P> {
    #[inline]
    fn look_ahead(&mut self, interrupted: &dyn Fn() -> bool) -> Progress {
        let Some(producer) = &mut self.producer else { return Progress::Starved };
        if self.ahead.is_some() {
            return Progress::Starved;
        }
        let mut pulled = producer.look_ahead(self.started);
        for _ in 1..LOOKS {
            if !matches!(pulled, Pulled::Skipped) {
                break;
            }
            if interrupted() {
                return Progress::Interrupted;
            }
            pulled = producer.look_ahead(self.started);
        }
        match self.without_item(pulled) {
            None | Some(Progress::Pending) => Progress::Starved,
            Some(progress) => progress,
        }
    }

    /// Why no item may be pulled now, if that is so.
    #[inline]
    fn without_item(&mut self, pulled: Pulled<P::Item, P::Error>) -> Option<Progress> {
        self.end = Some(match pulled {
            Pulled::Skipped => return None,
            Pulled::Item(item) => {
                self.ahead = Some(item);
                return None;
            }
            Pulled::Pending => return Some(Progress::Pending),
            Pulled::Complete => End::Completed,
            Pulled::Error(error) => End::Failed(error),
        });
        Some(Progress::Ended)
    }

    /// Drops it, and says how its stream ends: as it ended itself, unless there is a `fault`.
    #[inline]
    fn over(&mut self, fault: Option<Fault>) -> End<P::Error> {
        let end = match fault {
            Some(fault) => End::Fault(fault),
            None => match self.end.take() {
                Some(end) => end,
                None => End::Fault(Fault::SourceDropped),
            },
        };
        // What is dropped is no news to it.
        without_source((self.producer.take(), self.ahead.take()), end)
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Emission<P, A> {
    /// At the beginning of a source.
    pub fn new(producer: P, active: A) -> Emission<P, A> {
        Emission::resumed(producer, active, Credit::NONE, None)
    }

    /// Without a source: there is only an end to be told.
    pub(crate) fn sourceless(active: A) -> Emission<P, A> {
        let source = Source { producer: None, ahead: None, started: false, end: None };
        Emission { source, active: Some(active), credit: Credit::NONE }
    }

    /// Gives a source to one that has none.
    pub(crate) fn begin(&mut self, producer: P) {
        self.source.producer = Some(producer);
    }

    /// In the middle of one: `credit` is granted already, and `ahead`, if any, goes first.
    pub fn resumed(producer: P, active: A, credit: Credit, ahead: Option<P::Item>) -> Self {
        let source = Source { producer: Some(producer), ahead, started: false, end: None };
        Emission { source, active: Some(active), credit }
    }

    /// The source, while there is one.
    pub(crate) fn source(&mut self) -> Option<&mut P> {
        self.source.producer.as_mut()
    }

    /// What downstream still wants of the source.
    #[must_use]
    pub fn credit(&self) -> Credit {
        self.credit
    }

    /// Sends up to `budget` items, for a stage that holds them at the end of its upstream; what
    /// is left then goes back to whoever ran that upstream, who looks for cancellations.
    pub fn run_within(mut self, budget: u32) -> Option<Box<dyn Rest>> {
        let left = Cell::new(budget);
        // As of a rest, which it may become: so the loops are compiled once.
        match catch_unwind(AssertUnwindSafe(|| self.go_on(More::NONE, &spends(&left)))) {
            Ok(Progress::Ended) => self.finish(),
            Ok(_) => Some(Box::new(self)),
            Err(payload) => self.break_off(Fault::Panicked(Panic::new(payload))),
        }
    }

    /// Sends items until credit or items run out, where nobody interrupts and nobody will ask again.
    /// At the end of the source downstream is told; what stages below hold past it is sent as far as
    /// there is credit.
    #[inline]
    pub(crate) fn run_out(&mut self, more: More) {
        if matches!(self.run_at(more, never), Progress::Ended)
            && let Some(rest) = self.finish()
        {
            drop(run_rest(rest, More::NONE, &never));
        }
    }

    /// Sends items until credit or items run out or `pace` says so. `more` is demand of the end of
    /// the chain.
    #[inline]
    pub(crate) fn run_at(&mut self, more: More, pace: impl Pace) -> Progress {
        let answer = self.active().on_request(more);
        self.go_on_with(answer, pace)
    }

    /// Sends an item that comes past the source, which has none: only with credit, and only
    /// where nothing else is to be done first.
    #[inline]
    pub(crate) fn offer(
        &mut self,
        item: P::Item,
        interrupted: impl Fn() -> bool + Copy,
    ) -> Offered<P::Item> {
        if self.credit.is_empty() || self.source.ahead.is_some() || interrupted() {
            return Offered::Refused(item);
        }
        self.source.started = true;
        let mut answer = self.active().on_next(item);
        if self.credit.is_unbounded() {
            if !answer.is_special() {
                return Offered::Taken;
            }
        } else if self.credit.settle(answer) {
            return Offered::Taken;
        } else if !answer.is_special() {
            answer = More::NONE;
        }
        Offered::Stopped(self.go_on_with(answer, interrupted))
    }

    #[inline]
    fn go_on_with(&mut self, mut answer: More, pace: impl Pace) -> Progress {
        loop {
            while answer.is_special() {
                if answer.is_cancel() {
                    return self.cancelled();
                }
                if pace.interrupted() {
                    return Progress::Interrupted;
                }
                answer = self.active().on_request(More::NONE);
            }
            self.credit.add(answer);
            if self.credit.is_empty() {
                return self.source.look_ahead(&pace.look());
            }
            if let Some(item) = self.source.ahead.take() {
                self.credit.spend();
                answer = self.active().on_next(item);
                continue;
            }
            self.source.started = true;
            let (next, stopped) = if self.credit.is_unbounded() {
                self.run_unbounded(pace)
            } else if Self::HAS_BLOCKS && self.is_sure_of_a_block() && !pace.interrupted() {
                self.run_in_blocks(pace)
            } else {
                self.run_counted(pace)
            };
            if let Some(progress) = stopped {
                return progress;
            }
            answer = next;
        }
    }

    #[inline]
    fn active(&mut self) -> &mut A {
        let Some(active) = &mut self.active else { unreachable!("a loop gives it back") };
        active
    }

    /// Whether items are sent in blocks: see `run_in_blocks`, which is compiled only then.
    const HAS_BLOCKS: bool = P::HINTS && !A::KEEPS_ITEMS && !A::JUMPS;

    /// Whether there is credit for some blocks, and one is sure to come.
    #[inline]
    fn is_sure_of_a_block(&self) -> bool {
        self.credit.covers(ENOUGH)
            && match &self.source.producer {
                Some(producer) => producer.size_hint().0 >= BLOCK,
                None => false,
            }
    }

    // The loops are functions of their own so that the compiler gives them all registers. Where
    // there is no progress, there is an answer: a pair comes back in registers, a `Result` would not.
    #[inline(never)]
    fn run_unbounded(&mut self, pace: impl Pace) -> (More, Option<Progress>) {
        let Some(mut producer) = self.source.producer.take() else {
            return (More::NONE, Some(Progress::Ended));
        };
        let mut lent = Lent::from(&mut self.active);
        let active = &mut *lent.here;
        let stopped = 'run: {
            while !pace.interrupted() {
                let mut special = More::NONE;
                let mut count = pace.begin();
                // Written only where it matters, and `pace` not behind one more reference: a loop that
                // is long keeps both in memory.
                let (noted, counted, active) = (&mut special, &mut count, &mut *active);
                let pulled = producer.pull_while(move |item| {
                    let answer = send(active, item);
                    if answer.is_special() {
                        *noted = answer;
                        return false;
                    }
                    !pace.spends(counted)
                });
                pace.end(count);
                if special.is_special() {
                    break 'run (special, None);
                }
                if let Some(progress) = self.source.without_item(pulled) {
                    break 'run (More::NONE, Some(progress));
                }
            }
            (More::NONE, Some(Progress::Interrupted))
        };
        drop(lent);
        self.source.producer = Some(producer);
        stopped
    }

    #[inline(never)]
    fn run_counted(&mut self, pace: impl Pace) -> (More, Option<Progress>) {
        let Some(mut producer) = self.source.producer.take() else {
            return (More::NONE, Some(Progress::Ended));
        };
        let mut lent = Lent::from(&mut self.active);
        let active = &mut *lent.here;
        let mut credit = self.credit;
        let stopped = 'run: {
            while !pace.interrupted() {
                let mut settled = Ok(());
                let mut count = pace.begin();
                let pulled = producer.pull_while(|item| {
                    let answer = send(active, item);
                    if !credit.settle(answer) {
                        settled = Err(if answer.is_special() { answer } else { More::NONE });
                        return false;
                    }
                    if Self::HAS_BLOCKS && answer.count() > 1 && credit.covers(ENOUGH) {
                        settled = Err(More::NONE);
                        return false;
                    }
                    !pace.spends(&mut count)
                });
                pace.end(count);
                if let Err(answer) = settled {
                    break 'run (answer, None);
                }
                if let Some(progress) = self.source.without_item(pulled) {
                    break 'run (More::NONE, Some(progress));
                }
            }
            (More::NONE, Some(Progress::Interrupted))
        };
        drop(lent);
        self.credit = credit;
        self.source.producer = Some(producer);
        stopped
    }

    /// Sends items that are sure to come and that there is credit for, a block at a time: inside of
    /// one nobody looks whether the source or the credit is used up.
    #[inline(never)]
    fn run_in_blocks(&mut self, pace: impl Pace) -> (More, Option<Progress>) {
        let Some(mut producer) = self.source.producer.take() else {
            return (More::NONE, Some(Progress::Ended));
        };
        let mut lent = Lent::from(&mut self.active);
        let active = &mut *lent.here;
        let mut credit = self.credit;
        let mut count = pace.begin();
        let stopped = 'run: {
            while credit.covers(BLOCK as u64) {
                match producer.size_hint() {
                    // Told apart from a few: from here on the compiler knows that there is one, and
                    // from the next line on that there is a block, so it drops what `pull` asks.
                    (_, Some(0)) => break 'run Err(Pulled::Complete),
                    (sure, _) if sure < BLOCK => break,
                    _ => {}
                }
                for _ in 0..BLOCK {
                    match producer.pull() {
                        Pulled::Item(item) => {
                            let answer = active.on_next(item);
                            if !credit.settle_covered(answer) {
                                break 'run Ok(answer);
                            }
                            if pace.spends(&mut count) {
                                break 'run Ok(More::NONE);
                            }
                        }
                        other => break 'run Err(other),
                    }
                }
            }
            Ok(More::NONE)
        };
        pace.end(count);
        drop(lent);
        self.credit = credit;
        self.source.producer = Some(producer);
        match stopped {
            Ok(answer) => (answer, None),
            Err(pulled) => (More::NONE, self.source.without_item(pulled)),
        }
    }

    #[cold]
    fn cancelled(&mut self) -> Progress {
        self.source.end = Some(End::Cancelled(self.active().cause()));
        Progress::Ended
    }

    /// Delivers the end, after [`Progress::Ended`]; the source is dropped before. Nothing is left.
    pub fn finish(&mut self) -> Option<Box<dyn Rest>> {
        self.end_with(None)
    }

    /// Ends with a fault in the middle; the source is dropped before. Nothing is left.
    pub fn break_off(&mut self, fault: Fault) -> Option<Box<dyn Rest>> {
        self.end_with(Some(fault))
    }

    // Not `self`: a chain that is moved to its end is copied once more.
    fn end_with(&mut self, fault: Option<Fault>) -> Option<Box<dyn Rest>> {
        // The source first.
        let end = self.source.over(fault);
        let Some(active) = self.active.take() else {
            // Its end was told, and panicked.
            if let End::Fault(fault) = end {
                report_undelivered(&Undelivered::Fault(fault));
            }
            return None;
        };
        active.on_end(end)
    }
}

/// The subscriber in a local, while a loop runs. Goes back when this is dropped, by a panic too.
///
/// What is here is in no `Option`: a destructor that may have to drop it is a call that the compiler
/// does not see through, and what that can reach is read from memory again for each item.
struct Lent<'a, A> {
    home: &'a mut Option<A>,
    here: ManuallyDrop<A>,
}

impl<'a, A> Lent<'a, A> {
    #[inline]
    fn from(home: &'a mut Option<A>) -> Lent<'a, A> {
        let Some(here) = home.take() else { unreachable!("a loop gives it back") };
        Lent { home, here: ManuallyDrop::new(here) }
    }
}

impl<A> Drop for Lent<'_, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `from` moved the value in, and only this moves it out, so it is dropped once
        // (models `panic_races_request`, `alone_a_panic_is_told` and all that count what is alive
        // at the end). `home` is empty since `from` and has been borrowed since, so there is
        // nothing in it to drop.
        unsafe { std::ptr::write(self.home, Some(ManuallyDrop::take(&mut self.here))) }
    }
}

/// Drops a source, and says how its stream ends then: a panic of its destructor is told in place
/// of `end`, unless that is a fault already.
#[inline]
pub(crate) fn without_source<S, E>(source: S, end: End<E>) -> End<E> {
    // Nobody runs who could look for a cause, or panic.
    if !needs_drop::<S>() {
        return end;
    }
    dropped_before(source, end)
}

fn dropped_before<S, E>(source: S, end: End<E>) -> End<E> {
    // What upstream is made of is cancelled, if it is not over.
    let dropped = {
        let _cause = enter(end.cause());
        catch_unwind(AssertUnwindSafe(|| drop(source)))
    };
    let Err(payload) = dropped else { return end };
    let fault = Fault::Panicked(Panic::new(payload));
    match end {
        // The first fault stands.
        End::Fault(_) => {
            report_undelivered(&Undelivered::Fault(fault));
            end
        }
        _ => End::Fault(fault),
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Rest for Emission<P, A> {
    fn go_on(&mut self, more: More, interrupted: &dyn Fn() -> bool) -> Progress {
        self.run_at(more, interrupted)
    }

    fn finish(mut self: Box<Self>) -> Option<Box<dyn Rest>> {
        Emission::finish(&mut self)
    }

    fn break_off(mut self: Box<Self>, fault: Fault) -> Option<Box<dyn Rest>> {
        Emission::break_off(&mut self, fault)
    }
}

impl<P: Pull, A> fmt::Debug for Emission<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission").field("credit", &self.credit).finish_non_exhaustive()
    }
}

/// Runs what is left of a stream, through as many stages as hold something: what is still left
/// then, and why.
pub fn run_rest(
    mut rest: Box<dyn Rest>,
    mut more: More,
    interrupted: &dyn Fn() -> bool,
) -> Option<(Box<dyn Rest>, Progress)> {
    loop {
        match catch_unwind(AssertUnwindSafe(|| rest.go_on(more, interrupted))) {
            Ok(Progress::Ended) => rest = rest.finish()?,
            Ok(progress) => return Some((rest, progress)),
            Err(payload) => rest = rest.break_off(Fault::Panicked(Panic::new(payload)))?,
        }
        more = More::NONE;
    }
}
