//! Gauges: what a boundary tells of itself to whoever looks from outside.
//!
//! ```text
//!  Board ──▶ Panel, one for each host ──▶ line, one for each boundary ──▶ Queue: came, went, most
//!    │          ▲ rest(demand): the host          ▲ Gauge, Reading: its lanes, its stage
//!    └── snapshot(): any thread
//! ```
//!
//! A board is put into the [`Context`] of a subscriber (by `observed`). A [host](crate::bell) that
//! finds one there makes itself a panel, and each boundary that it runs a line on it. Where there
//! is none, nothing is made, and nobody counts.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `Board::panels` | anyone, under its lock | any |
//! | `Panel::lines` | anyone, under its lock | any |
//! | demand and stamps of a line | the host, under that lock | it is about to rest |
//! | a queue of a line | whoever owns the queue; a snapshot only [reads](Queue) it | until it is [closed](Reading::close) |
//!
//! * **Nothing is paid per item.** What came into a queue and what left it are the indices that
//!   the queue has anyway; a snapshot reads them. The rest is written where a host rests, and at
//!   beginnings and ends.
//! * **The figures of one line belong together**: what came in has gone out, was discarded, or is
//!   there; what is there is at most the high-water mark, and that is at most the capacity. This
//!   holds for what one snapshot shows, whoever pushes and pops meanwhile: see
//!   [`ring`](crate::ring) for the two indices and the mark, which are read one after another. What
//!   is just being handed back to a writer whose reader has gone counts as there until it is
//!   discarded.
//! * **A line that holds on to its items** ([`held`](Gauge::held)) counts one as gone out when the
//!   stage is [done](Gauge::done) with it: an item that became a future is there until its result
//!   was sent. The stage says so under the lock, and asks upstream for another after that; so a
//!   snapshot, which reads what came under the same lock, never sees more than fit.
//! * **Starved, backpressured.** When a host is about to rest, each line that has changed since
//!   the last time is stamped: with nothing there and demand it is starved, with something there
//!   it is backpressured. A stamp holds for as long as nothing went out; so a host need not say
//!   that it runs again.
//! * **The end.** A queue is read for the last time when its reader leaves it, and let go; the line
//!   ends with the last handle on it, and stays listed as its board says.
//!
//! No user code runs under a lock: the clock is asked before, and queues are let go after. No two
//! of these locks are held at a time, but for that of a panel and one that a [`Queue`] may have.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_core::{Context, Credit, KeyValue, Pulled};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

pub use crate::snapshot::{Decisions, Input, Row, Sample, Snapshot, State};

/// What a boundary is, and where in the source it was put.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    pub(crate) kind: &'static str,
    pub(crate) input: Option<Input>,
    pub(crate) location: &'static Location<'static>,
}

impl Site {
    /// A boundary made by `kind`, at the place that calls.
    #[track_caller]
    #[must_use]
    pub const fn here(kind: &'static str) -> Site {
        Site { kind, input: None, location: Location::caller() }
    }

    /// Input number `n` of several.
    #[must_use]
    pub const fn number(self, n: usize) -> Site {
        Site { input: Some(Input::Number(n)), ..self }
    }

    /// The input called `name`.
    #[must_use]
    pub const fn input(self, name: &'static str) -> Site {
        Site { input: Some(Input::Named(name)), ..self }
    }
}

/// Tells what time it is, since some time in the past.
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Where the boundaries of running pipelines are listed. A handle: clones are the same board.
///
/// ```
/// use millstream_blocks::gauge::Board;
///
/// let board = Board::new(16);
/// assert_eq!(board.snapshot().rows().len(), 0);
/// ```
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    clock: Clock,
    keep: usize,
    streams: AtomicU64,
    panels: Mutex<Panels>,
}

struct Panels {
    list: Vec<Arc<Panel>>,
    /// How long the list may get before somebody looks which of it is over.
    sweep_at: usize,
}

/// The least length at which a list is swept.
const SWEEP: usize = 32;

impl Board {
    /// A board that lists all boundaries that run, and the last `keep` that have ended.
    #[must_use]
    pub fn new(keep: usize) -> Board {
        let start = Instant::now();
        Board::with_clock(keep, move || start.elapsed())
    }

    /// As [`new`](Board::new), with another clock: it tells the time since a beginning of its own,
    /// and never goes back. It is asked where boundaries come to rest, on their threads.
    #[must_use]
    pub fn with_clock(keep: usize, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Board {
        Board(Arc::new(Shared {
            clock: Arc::new(clock),
            keep,
            streams: AtomicU64::new(0),
            panels: Mutex::new(Panels { list: Vec::new(), sweep_at: SWEEP }),
        }))
    }

    /// What the boundaries say now. May be called from any thread, at any time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.sweep();
        let now = (self.0.clock)();
        let panels = lock(&self.0.panels).list.clone();
        let mut streams = panels.iter().map(|panel| (panel.stream, panel)).collect::<Vec<_>>();
        // A pipeline is subscribed to from its end: who entered last is first.
        streams.reverse();
        streams.sort_by_key(|(stream, _)| *stream);
        Snapshot::new(streams.iter().flat_map(|(_, panel)| panel.rows(now)).collect())
    }

    /// The board for one subscription, to be put into its context.
    #[must_use]
    pub fn watch(&self) -> Watch {
        // ordering: relaxed; a number that nobody else has.
        Watch { board: self.clone(), stream: self.0.streams.fetch_add(1, Ordering::Relaxed) }
    }

    fn enter(&self, panel: Arc<Panel>) {
        let mut panels = lock(&self.0.panels);
        panels.list.push(panel);
        let long = panels.list.len() >= panels.sweep_at;
        drop(panels);
        if long {
            self.sweep();
        }
    }

    /// Lets go of those that ended longest ago.
    fn sweep(&self) {
        let list = lock(&self.0.panels).list.clone();
        let mut ended = Vec::new();
        for panel in &list {
            if let Some((at, lines)) = panel.ended() {
                ended.push((at, lines, panel));
            }
        }
        ended.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        let mut kept = 0;
        ended.retain(|(_, lines, _)| {
            kept += lines;
            kept > self.0.keep
        });
        let mut gone = Vec::new();
        let mut panels = lock(&self.0.panels);
        for (_, _, panel) in ended {
            if let Some(n) = panels.list.iter().position(|listed| Arc::ptr_eq(listed, panel)) {
                gone.push(panels.list.remove(n));
            }
        }
        panels.sweep_at = SWEEP.max(2 * panels.list.len());
        drop(panels);
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("keep", &self.0.keep).finish_non_exhaustive()
    }
}

/// A board, and the number of the subscription that it watches.
#[derive(Debug)]
pub struct Watch {
    board: Board,
    stream: u64,
}

impl Clone for Watch {
    /// Another subscription, on the same board.
    fn clone(&self) -> Watch {
        self.board.watch()
    }
}

impl Watch {
    /// Puts the board into the context of a subscriber.
    #[must_use]
    pub fn over(&self, context: Context) -> Context {
        context.with_board(Watch { board: self.board.clone(), stream: self.stream })
    }

    /// Whether there is a board in this context.
    #[must_use]
    pub fn is_over(context: &Context) -> bool {
        context.board::<Watch>().is_some()
    }
}

/// The gauges of all boundaries that one host runs, and the demand that it has.
pub struct Panel {
    clock: Clock,
    stream: u64,
    lines: Mutex<Lines>,
}

struct Lines {
    demand: Credit,
    list: Vec<Line>,
}

impl Panel {
    /// A panel for the board of `context`, if it has one. It is listed there from its first line on.
    #[must_use]
    pub fn of(context: &Context) -> Option<Arc<Panel>> {
        let Watch { board, stream } = context.board()?;
        Some(Arc::new(Panel {
            clock: board.0.clock.clone(),
            stream: *stream,
            lines: Mutex::new(Lines { demand: Credit::NONE, list: Vec::new() }),
        }))
    }

    /// A line for the boundary at `site`, which holds up to `capacity` items; board, name and
    /// tags are those of `context`.
    #[must_use]
    pub fn gauge(self: &Arc<Panel>, context: &Context, site: Site, capacity: usize) -> Gauge {
        let line = Line {
            site,
            name: context.name().map(Arc::from),
            tags: context.tags().into(),
            capacity: capacity as u64,
            held: false,
            queues: Vec::new(),
            gone: Levels::default(),
            most: 0,
            discarded: 0,
            dropped: 0,
            ending: None,
            ended: None,
            status: Status::Idle,
            since: Duration::ZERO,
            went: 0,
            decisions: None,
        };
        let mut lines = lock(&self.lines);
        lines.list.push(line);
        let line = lines.list.len() - 1;
        drop(lines);
        if line == 0
            && let Some(Watch { board, .. }) = context.board()
        {
            board.enter(self.clone());
        }
        Gauge(Arc::new(Handle { panel: self.clone(), line }))
    }

    /// For the host: it is about to rest, and `demand` is what downstream still wants.
    #[cold]
    pub fn rest(&self, demand: Credit) {
        let now = (self.clock)();
        let mut lines = lock(&self.lines);
        lines.demand = demand;
        for line in &mut lines.list {
            line.stamp(demand, now);
        }
    }

    /// For the host: what downstream still wants, in the middle of its work.
    #[cold]
    pub fn demand(&self, demand: Credit) {
        lock(&self.lines).demand = demand;
    }

    fn rows(&self, now: Duration) -> Vec<Row> {
        let mut lines = lock(&self.lines);
        let demand = lines.demand;
        lines.list.iter_mut().map(|line| line.row(self.stream, demand, now)).collect()
    }

    /// When the last of its lines ended, and how many there are, where all have.
    fn ended(&self) -> Option<(Duration, usize)> {
        let lines = lock(&self.lines);
        let ends = lines.list.iter().map(|line| line.ended).collect::<Option<Vec<_>>>()?;
        Some((*ends.iter().max()?, ends.len()))
    }

    fn with<R>(&self, line: usize, f: impl FnOnce(&mut Line) -> R) -> R {
        f(&mut lock(&self.lines).list[line])
    }
}

impl fmt::Debug for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panel").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// What a queue says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// Items that were put in.
    pub came: u64,
    /// Items that were taken out.
    pub went: u64,
    /// The most that were in it at a time.
    pub most: u64,
}

/// A queue that can be read while others use it.
pub trait Queue: Send + Sync + 'static {
    /// How it stands: `went <= came <= went + most`. It must not block on anything but a lock of
    /// its own, run no user code, and call no gauge.
    fn levels(&self) -> Levels;
}

/// A handle on the line of one boundary, which ends with the last of them.
#[derive(Clone)]
pub struct Gauge(Arc<Handle>);

struct Handle {
    panel: Arc<Panel>,
    line: usize,
}

impl Gauge {
    /// The stage holds on to the items that it takes, and says when it is done with them.
    #[must_use]
    pub fn held(self) -> Gauge {
        self.with(|line| line.held = true);
        self
    }

    /// A queue counts from here on.
    #[must_use]
    pub fn read(&self, queue: Arc<dyn Queue>) -> Reading {
        let number = self.with(|line| {
            let free = line.queues.iter().position(Option::is_none);
            let number = free.unwrap_or_else(|| {
                line.queues.push(None);
                line.queues.len() - 1
            });
            line.queues[number] = Some(queue);
            number
        });
        Reading { panel: self.0.panel.clone(), line: self.0.line, number }
    }

    /// The stage is done with `n` items of those that it [holds](Gauge::held). Said before others
    /// are asked for.
    pub fn done(&self, n: u64) {
        self.with(|line| {
            // The most that it held since the last time: nothing went since.
            line.levels();
            line.gone.went += n;
        });
    }

    /// The stage took `n` items from a queue, and discarded them.
    pub fn discarded(&self, n: u64) {
        self.with(|line| {
            line.dropped += n;
            line.discarded += n;
        });
    }

    /// A controller has decided.
    pub fn decided(&self, decisions: Decisions) {
        self.with(|line| line.decisions = Some(decisions));
    }

    /// The panel, for a boundary that is its own host.
    #[must_use]
    pub fn panel(&self) -> &Arc<Panel> {
        &self.0.panel
    }

    fn with<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        self.0.panel.with(self.0.line, f)
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge").field(&self.0.line).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let now = (self.panel.clock)();
        let queues = self.panel.with(self.line, |line| line.end(now));
        drop(queues);
    }
}

/// One queue on a gauge, for both of its sides.
#[derive(Clone)]
pub struct Reading {
    panel: Arc<Panel>,
    line: usize,
    number: usize,
}

impl Reading {
    /// For the writer: an item came that did not get into the queue, and was discarded.
    pub fn refuse(&self) {
        self.panel.with(self.line, |line| {
            line.gone.came += 1;
            // What a stage holds is counted at its end.
            if !line.held || line.ended.is_some() {
                line.discarded += 1;
            }
        });
    }

    /// For the writer: something broke upstream.
    pub fn broke(&self) {
        self.panel.with(self.line, |line| line.ending = Some(State::Broken));
    }

    /// For the reader, which leaves the queue for good: how it stood then, and how upstream had
    /// ended. What is still in it is discarded.
    pub fn close(&self, last: Levels, end: Option<State>) {
        let cancelled = State::cancelled();
        let queue = self.panel.with(self.line, |line| {
            line.levels();
            line.gone.came += last.came;
            if !line.held {
                line.gone.went += last.went;
                line.discarded += last.came - last.went;
            }
            if line.ending != Some(State::Broken) {
                line.ending = Some(end.unwrap_or(cancelled));
            }
            line.queues.get_mut(self.number).and_then(Option::take)
        });
        drop(queue);
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Counts items that pass without a queue.
pub struct Tally {
    count: Arc<Count>,
    reading: Reading,
    end: Option<State>,
    /// The line has not ended before.
    _gauge: Gauge,
}

struct Count(AtomicU64);

impl Queue for Count {
    fn levels(&self) -> Levels {
        // ordering: relaxed; a figure, which nothing is read by.
        let count = self.0.load(Ordering::Relaxed);
        Levels { came: count, went: count, most: 0 }
    }
}

impl Tally {
    /// On a gauge.
    #[must_use]
    pub fn new(gauge: Gauge) -> Tally {
        let count = Arc::new(Count(AtomicU64::new(0)));
        Tally { reading: gauge.read(count.clone()), count, end: None, _gauge: gauge }
    }

    /// An item passes.
    #[inline]
    pub fn pass(&mut self) {
        // ordering: relaxed on both; this is the only writer (`&mut self`), and a figure.
        let count = self.count.0.load(Ordering::Relaxed);
        self.count.0.store(count + 1, Ordering::Relaxed);
    }

    /// What a source that is pulled gave.
    #[inline]
    pub fn count<T, E>(&mut self, pulled: &Pulled<T, E>) {
        match pulled {
            Pulled::Item(_) => self.pass(),
            Pulled::Complete => self.end(State::Completed),
            Pulled::Error(_) => self.end(State::Failed),
            Pulled::Skipped | Pulled::Pending => {}
        }
    }

    /// No item follows.
    pub fn end(&mut self, end: State) {
        self.end = Some(end);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.reading.close(self.count.levels(), self.end);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("levels", &self.count.levels()).finish_non_exhaustive()
    }
}

/// Why a boundary rested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Idle,
    Starved,
    Backpressured,
}

/// What is known of one boundary.
struct Line {
    site: Site,
    name: Option<Arc<str>>,
    tags: Arc<[KeyValue]>,
    capacity: u64,
    /// What went is what the stage was done with.
    held: bool,
    /// Those that are in use: one, or as many as there are inner publishers.
    queues: Vec<Option<Arc<dyn Queue>>>,
    /// Items that came and went by queues that are closed.
    gone: Levels,
    /// The most so far.
    most: u64,
    discarded: u64,
    /// Those of them that came out of a queue.
    dropped: u64,
    /// How upstream ended.
    ending: Option<State>,
    ended: Option<Duration>,
    status: Status,
    since: Duration,
    /// What had gone out when `status` was stamped.
    went: u64,
    /// What a controller has decided last.
    decisions: Option<Decisions>,
}

impl Line {
    /// How all of it stands; brings `most` up to date.
    fn levels(&mut self) -> Levels {
        let mut sum = self.gone;
        for queue in self.queues.iter().flatten() {
            let levels = queue.levels();
            sum.came += levels.came;
            if !self.held {
                sum.went += levels.went;
                sum.most += levels.most;
            }
        }
        if self.held {
            sum.most = sum.came - sum.went - self.discarded;
        } else {
            sum.went -= self.dropped;
        }
        self.most = self.most.max(sum.most);
        sum
    }

    fn stamp(&mut self, demand: Credit, now: Duration) {
        if self.ended.is_some() {
            return;
        }
        let Levels { came, went, .. } = self.levels();
        let empty = came == went + self.discarded;
        let status = match (empty, demand.is_empty()) {
            (true, true) => Status::Idle,
            (true, false) => Status::Starved,
            (false, true) => Status::Backpressured,
            // What a stage holds is at work. What waits in a queue waits for others.
            (false, false) if self.held => Status::Idle,
            (false, false) => Status::Backpressured,
        };
        if (status, went) != (self.status, self.went) {
            self.status = status;
            self.since = now;
            self.went = went;
        }
    }

    fn row(&mut self, stream: u64, mut demand: Credit, now: Duration) -> Row {
        let Levels { came, went, .. } = self.levels();
        let fill = came - went - self.discarded;
        let state = match (self.ended, self.ending) {
            (None, _) => State::Running,
            (Some(_), ending) => ending.unwrap_or(State::Completed),
        };
        let rests = self.ended.is_none() && self.went == went;
        let since = |status, there| {
            let holds = rests && self.status == status && (fill > 0) == there;
            holds.then(|| now.saturating_sub(self.since))
        };
        Row {
            stream,
            name: self.name.clone(),
            tags: self.tags.clone(),
            kind: self.site.kind,
            input: self.site.input,
            location: self.site.location,
            capacity: self.capacity,
            received: came,
            sent: went,
            demand: if state == State::Running { demand.take().demand() } else { None },
            fill,
            high_water: self.most,
            discarded: self.discarded,
            starved_since: since(Status::Starved, false),
            backpressured_since: since(Status::Backpressured, true),
            state,
            decisions: self.decisions,
        }
    }

    /// The stage is gone: what it holds is discarded. What the line kept is for the caller to drop.
    fn end(&mut self, now: Duration) -> Vec<Option<Arc<dyn Queue>>> {
        if self.held {
            let Levels { came, went, .. } = self.levels();
            self.discarded = came - went;
            if self.discarded > 0 && self.ending != Some(State::Broken) {
                self.ending = Some(State::cancelled());
            }
        }
        self.ended = Some(now);
        std::mem::take(&mut self.queues)
    }
}
