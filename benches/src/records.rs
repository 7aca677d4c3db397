//! The file of a run: one JSON object a line, so that two runs can be compared line by line.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::noise::Spread;
use crate::{Kind, Measure, Promise};

/// Writes records to a file, or nowhere.
#[derive(Debug)]
pub struct Records(Option<BufWriter<File>>);

impl Records {
    /// To the file that is named, if one is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn to(path: Option<&Path>) -> Result<Records> {
        Ok(Records(path.map(File::create).transpose()?.map(BufWriter::new)))
    }

    /// One more line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, record: &Value) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        writeln!(file, "{record}")?;
        file.flush()
    }
}

/// A figure with four digits: no more are true.
#[must_use]
pub fn figure(value: f64) -> Value {
    format!("{value:.3e}").parse::<f64>().map_or(Value::Null, Value::from)
}

/// The quartiles, from low to high.
#[must_use]
pub fn quartiles(spread: Spread) -> Value {
    json!([figure(spread.low), figure(spread.median), figure(spread.high)])
}

/// The name of a kind.
#[must_use]
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Limit => "limit",
        Kind::Model => "model",
        Kind::Ours => "ours",
        Kind::Library => "library",
        Kind::Other => "other",
    }
}

/// What the figures of a measure are.
#[must_use]
pub fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Alone | Measure::Across => "ns",
        Measure::RoundTrip => "ns a round trip",
        Measure::Memory => "kB",
    }
}

/// What is promised, and nothing of what is not.
#[must_use]
pub fn promise(promise: &Promise) -> Value {
    let count = |n: Option<u64>| n.map(|n| n as f64);
    let mut object = json!({
        "allocations": count(promise.allocations),
        "allocations_above": count(promise.allocations_above),
        "kilobytes_above": promise.above_limit,
        "nanoseconds": promise.nanoseconds,
        "of_best": promise.of_best,
        "of_jvm": promise.of_jvm,
        "of_limit": promise.of_limit,
        "of_model": promise.of_model,
    });
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    object
}
