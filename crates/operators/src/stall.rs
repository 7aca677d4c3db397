//! Which stage of a pipeline that stands still keeps it from going on.

use std::fmt;

use millstream_blocks::gauge::{Row, Snapshot, State};

/// A pipeline that stands still, and the edge that keeps it from going on: see [`stalls`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stall {
    /// The boundary at that edge, as of the later look.
    pub row: Row,
    /// On which side of it to look.
    pub side: Side,
}

/// Where to look, as seen from a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// It holds nothing, and was asked for something: what is above it sends nothing.
    Above,
    /// It holds items that were asked for, and sends none: a future that does not end, or a task that is
    /// not run.
    Within,
    /// Nobody asks for what it holds, or it holds nothing and nobody asks for anything: what is below it
    /// does not go on.
    Below,
}

/// The pipelines of a board that stand still: nothing came into any of their boundaries, and nothing went
/// out, from one look to the other. One verdict for each, in the order of the board.
///
/// The boundaries of one that stands still wait for each other, in a row. The last of them that holds
/// items has nobody to blame but what is at its lower side: its downstream, which asks for nothing, or, where
/// that asks, itself. Is it an input of an operator with several, such as `zip`, and another input is empty,
/// then that one is waited for, and what is above it. Where no boundary holds anything, and something was
/// asked for, the source is waited for.
///
/// How far apart the looks are says how long nothing may happen: the shorter, the more pipelines are merely
/// slow. One that has nothing to do, since its source has nothing for it, is told as one whose source is
/// waited for. One that has come or gone since, or has ended, is not told of. Nothing moves for a boundary
/// that holds nothing where no one looks in between: what has come and gone again counts as a move.
///
/// ```
/// use millstream::board::{Board, Side, stalls};
/// use millstream::prelude::*;
///
/// let board = Board::new(0);
/// let (sender, orders) = millstream::channel::<u32>(8);
/// let billed = orders.prefetch(4).named("orders").observed(&board);
/// let billing = billed.subscribe_with(drop, drop, || ()).manual();
///
/// sender.try_send(1)?;
/// let earlier = board.snapshot();
/// // Some time passes.
/// let later = board.snapshot();
///
/// let stalls = stalls(&earlier, &later);
/// assert_eq!(stalls[0].side, Side::Below, "billing asks for nothing");
/// assert!(stalls[0].to_string().starts_with("orders (prefetch) at "));
/// # drop(billing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn stalls(earlier: &Snapshot, later: &Snapshot) -> Vec<Stall> {
    let mut streams: Vec<u64> = later.rows().iter().map(|row| row.stream).collect();
    streams.dedup();
    streams
        .into_iter()
        .filter_map(|stream| stall(&of(earlier, stream), &of(later, stream)))
        .collect()
}

/// The boundaries of a stream that run, upstream first.
fn of(snapshot: &Snapshot, stream: u64) -> Vec<&Row> {
    let runs = |row: &&Row| row.stream == stream && row.state == State::Running;
    snapshot.rows().iter().filter(runs).collect()
}

fn stall(earlier: &[&Row], later: &[&Row]) -> Option<Stall> {
    let stands = |(earlier, later): (&&Row, &&Row)| {
        let place = |row: &Row| (row.kind, row.input, row.location);
        let counts = |row: &Row| (row.received, row.sent, row.discarded);
        place(earlier) == place(later) && counts(earlier) == counts(later)
    };
    if earlier.len() != later.len() || !earlier.iter().zip(later).all(stands) {
        return None;
    }
    let told = |row: &Row, side| Some(Stall { row: row.clone(), side });
    let Some(holds) = later.iter().rfind(|row| row.fill > 0) else {
        // Whoever is asked, and nobody above it.
        return match later.iter().find(|row| row.demand.is_some()) {
            Some(asked) => told(asked, Side::Above),
            None => told(later.last()?, Side::Below),
        };
    };
    let beside = |row: &&&Row| (row.kind, row.location) == (holds.kind, holds.location);
    if let Some(empty) = later.iter().filter(beside).find(|row| row.fill == 0)
        && holds.demand.is_some()
    {
        return told(empty, Side::Above);
    }
    told(holds, if holds.demand.is_some() { Side::Within } else { Side::Below })
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stall { row, side } = self;
        match &row.name {
            Some(name) => write!(f, "{name} ({})", row.label())?,
            None => f.write_str(&row.label())?,
        }
        write!(f, " at {}:{} ", row.location.file(), row.location.line())?;
        match side {
            Side::Above => f.write_str("waits for an item: look above it"),
            Side::Within => write!(f, "holds {} that were asked for: look at it", row.fill),
            Side::Below if row.fill > 0 => {
                write!(f, "holds {} that nobody asks for: look below it", row.fill)
            }
            Side::Below => f.write_str("is asked for nothing: look below it"),
        }
    }
}
