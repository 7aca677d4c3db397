//! What the run did, as a table.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::args::Args;
use crate::meter::Gauge;
use crate::sink::{Ended, Run};

/// What is known of a run, at any time.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) gauges: Vec<Arc<Gauge>>,
    pub(crate) total: Arc<Gauge>,
    pub(crate) reading: Arc<AtomicU64>,
}

impl Report {
    pub(crate) fn title(args: &Args) -> String {
        let Args { input, format, chunk, pause, within, rate, .. } = args;
        let within = within.map(|within| format!(" or {within:?}")).unwrap_or_default();
        let rate = rate.map(|rate| format!(", at most {rate} a second")).unwrap_or_default();
        format!("{input} ({format}){rate}, chunks of {chunk}{within}, consumer {pause:?} per chunk")
    }

    /// The most items that may be held at one time; none where a queue has no bound.
    fn bound(&self) -> Option<u64> {
        self.gauges.iter().map(|gauge| gauge.capacity).sum()
    }

    pub(crate) fn text(&self, run: &Run) -> String {
        let mut text = format!("{}\n\n", self.title);
        self.table(&mut text);
        let tally = run.tally();
        let reading = Duration::from_nanos(self.reading.load(Relaxed));
        let read = self.gauges.first().map_or(0, |source| source.received());
        let most = self.total.most_held();
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{words}");
        };
        line(format_args!(""));
        line(format_args!(
            "source:   {read} lines in {reading:.1?}\nconsumer: {} records, {} fields, {} bytes in \
             {} chunks in {:.1?}{}",
            tally.records,
            tally.fields,
            tally.bytes,
            tally.chunks,
            tally.busy,
            slower(tally.busy, reading),
        ));
        match self.bound() {
            Some(bound) => line(format_args!(
                "held:     at most {most} of {read} lines at one time; the stages have room for \
                 {bound}"
            )),
            None => line(format_args!(
                "held:     {most} of {read} lines at one time, because nothing bounds the queue"
            )),
        }
        if let Some(peak) = peak_memory() {
            line(format_args!("memory:   {peak} at the peak, for the whole process"));
        }
        match &tally.ended {
            _ if run.is_interrupted() => line(format_args!("ended:    cancelled")),
            Some(Ended::Complete) => line(format_args!("ended:    complete")),
            Some(Ended::Failed(error)) => line(format_args!("ended:    bad input, {error}")),
            Some(Ended::Broken(fault)) => line(format_args!("ended:    broken, {fault}")),
            None => line(format_args!("ended:    broken, without an end")),
        }
        text
    }

    fn table(&self, text: &mut String) {
        let mut row = |name: &str, cells: [&str; 6]| {
            let [a, b, c, d, e, f] = cells;
            let _ = writeln!(text, "  {name:<8}{a:>10}{b:>10}{c:>10}{d:>10}{e:>12}{f:>11}");
        };
        row("stage", ["in", "out", "dropped", "asked", "most held", "capacity"]);
        for (index, gauge) in self.gauges.iter().enumerate() {
            let is_sink = index + 1 == self.gauges.len();
            let number = |n: u64| n.to_string();
            let only_inside = |text: String| if is_sink { "-".to_owned() } else { text };
            row(
                gauge.name,
                [
                    &number(gauge.received()),
                    &only_inside(number(gauge.sent())),
                    &only_inside(number(gauge.dropped())),
                    &only_inside(gauge.asked().map_or("-".to_owned(), |asked| asked.to_string())),
                    &number(gauge.most_held()),
                    &capacity(gauge.capacity),
                ],
            );
        }
        let most = self.total.most_held().to_string();
        row("in all", ["", "", "", "", &most, &capacity(self.bound())]);
    }
}

fn capacity(capacity: Option<u64>) -> String {
    capacity.map_or("unbounded".to_owned(), |n| n.to_string())
}

fn slower(consumer: Duration, source: Duration) -> String {
    let factor = consumer.as_secs_f64() / source.as_secs_f64();
    if factor.is_finite() && factor >= 2.0 {
        format!(", {factor:.0} times as long as the source")
    } else {
        String::new()
    }
}

/// Where the system tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{:.1} MiB", kib / 1024.0))
}
