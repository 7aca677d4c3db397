//! How a queue tells whoever empties it that there is something to do.
//!
//! The drain of a queue has a *host*: an [island](crate::island), which runs on the thread that
//! rings, or a [task](crate::task), which is woken where it lives. A [`Bell`] is a handle on the
//! host that fits in a queue's writer, whatever the host runs. Ringing never recurses: a host that
//! is running already takes note and looks again before it rests.
//!
//! A host of many queues gives each bell a number, so that it need not look at all of them: see
//! [`Marks`].

use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};

use millstream_core::{Context, Fault};
use millstream_sync::{AtomicU64, Ordering};

use crate::gauge::{Gauge, Panel, Site};

/// Whoever runs the drain of one or more queues.
pub trait Host: Send + Sync + 'static {
    /// There is something to do. May do it before it returns.
    fn ring(&self);

    /// Something broke: ends the stream with `fault`, at once.
    fn fail(&self, fault: Fault);

    /// For what the host runs, in its turn: there is nothing to do, and there may be when others on the
    /// same executor have run. The host lets them, once, and looks again before it rests. One that knows
    /// of no others just looks again.
    fn linger(&self) {
        self.ring();
    }

    /// Where the boundaries that it runs have their gauges, if somebody looks at them.
    fn panel(&self) -> Option<&Arc<Panel>> {
        None
    }
}

/// A handle on a [`Host`].
#[derive(Clone)]
pub struct Bell {
    host: Arc<dyn Host>,
    mark: Option<(Arc<Marks>, usize)>,
}

impl Bell {
    /// A bell of `host`.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Bell {
        Bell { host, mark: None }
    }

    /// A bell that leaves mark number `mark` before it rings.
    #[must_use]
    pub fn marked(&self, marks: &Arc<Marks>, mark: usize) -> Bell {
        Bell { host: self.host.clone(), mark: Some((marks.clone(), mark)) }
    }

    /// Which host it is for.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.host).cast::<()>().addr()
    }

    /// The number of the mark that it leaves, if it leaves one.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        self.mark.as_ref().map(|(_, mark)| *mark)
    }

    /// Leaves its mark, or number `other` in its place, for a host that looks before it rests.
    pub(crate) fn mark(&self, other: Option<usize>) {
        if let Some((marks, mark)) = &self.mark {
            marks.set(other.unwrap_or(*mark));
        }
    }

    /// Tells the host that there is something to do.
    pub fn ring(&self) {
        self.ring_for(None);
    }

    /// As [`ring`](Bell::ring), with mark number `other`, if that is another.
    pub(crate) fn ring_for(&self, other: Option<usize>) {
        self.mark(other);
        self.host.ring();
    }

    /// Lets others run before the host looks again; see [`Host::linger`].
    pub fn linger(&self) {
        self.host.linger();
    }

    /// Ends the stream of the host with `fault`.
    pub fn fail(&self, fault: Fault) {
        self.host.fail(fault);
    }

    /// Whether somebody looks at what the host runs.
    pub(crate) fn is_watched(&self) -> bool {
        self.host.panel().is_some()
    }

    /// A gauge for a boundary that the host runs, if somebody looks at it. `context` is that of the
    /// host's subscriber.
    #[must_use]
    pub fn gauge(&self, context: &Context, site: Site, capacity: usize) -> Option<Gauge> {
        Some(self.host.panel()?.gauge(context, site, capacity))
    }

    /// The bell as a waker, for futures that a stage drives. One allocation.
    #[must_use]
    pub fn into_waker(self) -> Waker {
        Waker::from(Arc::new(Ringer(self)))
    }
}

struct Ringer(Bell);

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.0.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("mark", &self.mark.as_ref().map(|(_, mark)| mark))
            .finish_non_exhaustive()
    }
}

/// Which of many queues have rung: a set of small numbers that many add to, and one takes out.
///
/// A mark that is set twice before it is taken is taken once. Whoever takes it sees what was
/// written before it was set.
pub struct Marks {
    words: Box<[AtomicU64]>,
}

impl Marks {
    /// An empty set of the numbers below `size`.
    #[must_use]
    pub fn new(size: usize) -> Arc<Marks> {
        Arc::new(Marks { words: (0..size.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() })
    }

    /// Adds a number.
    ///
    /// # Panics
    /// When it is not below the size.
    pub fn set(&self, mark: usize) {
        // ordering: release pairs with the acquire in `take` (model `a_mark_publishes`).
        self.words[mark / 64].fetch_or(1 << (mark % 64), Ordering::Release);
    }

    /// Whether there is none. One that is added at the same time may be missed: its bell rings after.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ordering: relaxed; a guess, as in `take`.
        self.words.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Takes out all numbers, and calls `each` with them, in ascending order.
    pub fn take(&self, mut each: impl FnMut(usize)) {
        for (n, word) in self.words.iter().enumerate() {
            // ordering: relaxed; a guess that spares the exchange. The bell rings after the
            // mark is set, so the host looks again.
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // ordering: acquire pairs with the release in `set` (model `a_mark_publishes`).
            let mut bits = word.swap(0, Ordering::Acquire);
            while bits != 0 {
                each(n * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marks")
    }
}
