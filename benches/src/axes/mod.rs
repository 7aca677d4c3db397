//! How the cost of an item grows: with the number of stages, boundaries, producers, groups and
//! subscribers. What a run costs for its number of items is measured with the
//! [workloads](crate::workloads) themselves.

mod boundaries;
mod groups;
mod producers;
mod stages;
mod subscribers;

use crate::Kind;

/// What grows, and those whose cost is measured.
#[derive(Debug)]
pub struct Axis {
    /// Its name: `stages`.
    pub name: &'static str,
    /// What the task is.
    pub task: &'static str,
    /// Where it is measured.
    pub points: &'static [u64],
    /// How many items a run has at a point.
    pub items: fn(u64) -> u64,
    /// Who does it.
    pub lines: Vec<Line>,
}

/// One of those whose cost is measured.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Its name in reports.
    pub name: &'static str,
    /// What it stands for.
    pub kind: Kind,
    /// Does the task once at a point, and gives the result that all agree on.
    pub run: fn(u64) -> u64,
}

impl Axis {
    /// The result of every line at `point`.
    ///
    /// # Panics
    /// When they do not agree.
    pub fn check(&self, point: u64) {
        let results: Vec<_> =
            self.lines.iter().map(|line| (line.name, (line.run)(point))).collect();
        assert!(
            results.iter().all(|&(_, result)| result == results[0].1),
            "{} at {point}: they do not agree: {results:?}",
            self.name
        );
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Axis> {
    vec![stages::axis(), boundaries::axis(), producers::axis(), groups::axis(), subscribers::axis()]
}

fn line(kind: Kind, name: &'static str, run: fn(u64) -> u64) -> Line {
    Line { name, kind, run }
}
