//! What a board shows: plain data, and a table of it.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use millstream_core::{Demand, KeyValue};

use crate::cause::current;

/// Which input of a boundary that has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// By its number, from 0.
    Number(usize),
    /// By what it is for.
    Named(&'static str),
}

/// How far a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It has not ended.
    Running,
    /// All items of upstream came, and went.
    Completed,
    /// Upstream failed.
    Failed,
    /// Something broke upstream.
    Broken,
    /// Downstream wanted no more: what was there was discarded.
    Cancelled,
    /// Downstream failed or broke, or whoever cancelled gave a [cause](millstream_core::Cause): what
    /// was there was discarded.
    Abandoned,
}

impl State {
    /// Of what is dropped now, before its upstream has ended.
    pub(crate) fn cancelled() -> State {
        if current().is_failure() { State::Abandoned } else { State::Cancelled }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Running => "running",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Broken => "broken",
            State::Cancelled => "cancelled",
            State::Abandoned => "abandoned",
        })
    }
}

/// How some work went: what a controller is told, from time to time.
///
/// ```
/// use std::time::Duration;
/// use millstream_blocks::gauge::Sample;
///
/// // Ten items, four milliseconds each, one after another; and then nothing.
/// let mut sample = Sample::new(Duration::from_millis(100), 10);
/// sample.busy = Duration::from_millis(40);
/// sample.latency = Duration::from_millis(4);
/// assert_eq!(sample.speed(), Some(250.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The time that it is about: what has passed since the one before.
    pub elapsed: Duration,
    /// Items that were finished in that time.
    pub processed: u64,
    /// For how much of that time there was an item to work on.
    pub busy: Duration,
    /// How long an item took from its beginning to its end, on average.
    pub latency: Duration,
    /// How long an item waited after it was let through and before it was begun, on average.
    pub delay: Duration,
    /// Whether the limit was reached: without it more would have gone.
    pub limited: bool,
    /// Whether an item was turned away, timed out, or failed for being one too many.
    pub overloaded: bool,
}

impl Sample {
    /// `processed` items in the time `elapsed`, all of which was spent on them; they did not wait,
    /// the limit was reached, and nothing was overloaded.
    #[must_use]
    pub fn new(elapsed: Duration, processed: u64) -> Sample {
        let latency = match u32::try_from(processed) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(n) => elapsed / n,
        };
        let delay = Duration::ZERO;
        let (limited, overloaded) = (true, false);
        Sample { elapsed, processed, busy: elapsed, latency, delay, limited, overloaded }
    }

    /// Items per second while there was something to work on; none where nothing was finished.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        let known = self.processed > 0 && !self.busy.is_zero();
        known.then(|| self.processed as f64 / self.busy.as_secs_f64())
    }
}

/// What a controller has decided for a boundary.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Decisions {
    /// The limit now: items at a time, or items per second.
    pub limit: f64,
    /// How often it was raised.
    pub raises: u64,
    /// How often it was cut.
    pub cuts: u64,
    /// What it was told last.
    pub last: Option<Sample>,
}

impl Decisions {
    /// None yet: the limit to begin with.
    #[must_use]
    pub fn new(limit: f64) -> Decisions {
        Decisions { limit, raises: 0, cuts: 0, last: None }
    }

    /// The limit after a sample.
    pub fn decide(&mut self, limit: f64, sample: Sample) {
        self.raises += u64::from(limit > self.limit);
        self.cuts += u64::from(limit < self.limit);
        self.limit = limit;
        self.last = Some(sample);
    }
}

/// One boundary. At any time `received = sent + discarded + fill`, and
/// `fill <= high_water <= capacity`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// Which subscription it belongs to: a number that the board gave to it.
    pub stream: u64,
    /// The name that `named` gave it.
    pub name: Option<Arc<str>>,
    /// The keys and values that `tag` gave it, each key once, the nearest first.
    pub tags: Arc<[KeyValue]>,
    /// The operator that it is part of: `publish_on`, `merge`.
    pub kind: &'static str,
    /// Which input of the operator, where it has several.
    pub input: Option<Input>,
    /// Where in the source the operator was put.
    pub location: &'static Location<'static>,
    /// How many items it has room for; 0 where items pass without being held.
    pub capacity: u64,
    /// Items that came in.
    pub received: u64,
    /// Items that went out.
    pub sent: u64,
    /// Items that downstream has asked for and not been given, as of when the boundary last
    /// rested. The inputs of one operator have the same.
    pub demand: Option<Demand>,
    /// Items that are there.
    pub fill: u64,
    /// The most that were there at a time. For the inner publishers of a flattening, which have a
    /// row together, it is a bound: the sum of the most that each had.
    pub high_water: u64,
    /// Items that came in and were never sent.
    pub discarded: u64,
    /// For how long there has been demand, and nothing to send.
    pub starved_since: Option<Duration>,
    /// For how long items have been waiting: for demand, or for those of another input.
    pub backpressured_since: Option<Duration>,
    /// How far it is.
    pub state: State,
    /// What its controller has decided, where it has one.
    pub decisions: Option<Decisions>,
}

impl Row {
    /// The value of this tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_ref())
    }

    /// The operator and its input, like `merge[2]`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.input {
            None => self.kind.to_owned(),
            Some(Input::Number(n)) => format!("{}[{n}]", self.kind),
            Some(Input::Named(name)) => format!("{}[{name}]", self.kind),
        }
    }
}

/// What the boundaries of a board said at one time, those of a subscription together and upstream
/// first. [`Display`](fmt::Display) makes a table of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    rows: Vec<Row>,
}

impl Snapshot {
    pub(crate) fn new(rows: Vec<Row>) -> Snapshot {
        Snapshot { rows }
    }

    /// One for each boundary.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The first row with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name.as_deref() == Some(name))
    }

    /// The rows whose tag `key` has this value.
    pub fn tagged<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
    ) -> impl Iterator<Item = &'a Row> + use<'a> {
        self.rows.iter().filter(move |row| row.tag(key) == Some(value))
    }

    /// How many items the boundaries that run have room for, together: with what the stages
    /// between them hold, the bound of what is in the pipeline.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.running().map(|row| row.capacity).sum()
    }

    /// How many items are in the boundaries that run.
    #[must_use]
    pub fn fill(&self) -> u64 {
        self.running().map(|row| row.fill).sum()
    }

    fn running(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.state == State::Running)
    }
}

impl<'a> IntoIterator for &'a Snapshot {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl IntoIterator for Snapshot {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

const HEAD: [&str; 11] = [
    "stream", "boundary", "at", "in", "out", "dropped", "asked", "there", "most", "capacity",
    "state",
];

/// The columns that are words.
const WORDS: [bool; HEAD.len()] =
    [false, true, true, false, false, false, false, false, false, false, true];

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = vec![HEAD.map(str::to_owned)];
        table.extend(self.rows.iter().map(cells));
        let mut all = [(); HEAD.len()].map(|()| String::new());
        all[1] = "in all".to_owned();
        all[7] = self.fill().to_string();
        all[9] = self.capacity().to_string();
        table.push(all);
        let widths: [usize; HEAD.len()] = std::array::from_fn(|n| {
            table.iter().map(|line| line[n].chars().count()).max().unwrap_or(0)
        });
        for line in table {
            let mut text = String::new();
            for ((cell, width), word) in line.iter().zip(widths).zip(WORDS) {
                text +=
                    &if word { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn cells(row: &Row) -> [String; HEAD.len()] {
    let label = row.label();
    let mut boundary = match &row.name {
        Some(name) => format!("{name} ({label})"),
        None => label,
    };
    for (key, value) in &*row.tags {
        boundary += &format!(" {key}={value}");
    }
    let mut state = match (row.starved_since, row.backpressured_since) {
        (Some(since), _) => format!("starved {}", rounded(since)),
        (None, Some(since)) => format!("backpressured {}", rounded(since)),
        (None, None) => row.state.to_string(),
    };
    if let Some(Decisions { limit, .. }) = row.decisions {
        state += &format!(", limit {limit:.1}");
    }
    [
        row.stream.to_string(),
        boundary,
        format!("{}:{}", row.location.file(), row.location.line()),
        row.received.to_string(),
        row.sent.to_string(),
        row.discarded.to_string(),
        row.demand.map_or_else(|| "-".to_owned(), |demand| demand.to_string()),
        row.fill.to_string(),
        row.high_water.to_string(),
        row.capacity.to_string(),
        state,
    ]
}

/// To three digits, so that the table stays narrow.
fn rounded(since: Duration) -> String {
    let nanos = since.as_nanos();
    let mut unit = 1;
    while nanos / unit >= 1000 {
        unit *= 10;
    }
    let nanos = u64::try_from(nanos / unit * unit).unwrap_or(u64::MAX);
    format!("{:?}", Duration::from_nanos(nanos))
}
