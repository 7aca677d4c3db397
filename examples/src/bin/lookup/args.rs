//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
lookup [FILE]          reads a file of lines; the time zone database without one
  --in-flight N        lookups at a time (16)
  --threads N          threads of the pool (2)
  --output FILE        writes the answers there
  --help
";

pub(crate) struct Args {
    pub(crate) input: PathBuf,
    pub(crate) output: Option<PathBuf>,
    pub(crate) in_flight: usize,
    pub(crate) threads: usize,
}

/// `None` where help is wanted.
pub(crate) fn parse() -> Result<Option<Args>, lexopt::Error> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tzdata.zi");
    let mut args = Args { input: data.into(), output: None, in_flight: 16, threads: 2 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("in-flight") => args.in_flight = at_least_one(parser.value()?)?,
            Long("threads") => args.threads = at_least_one(parser.value()?)?,
            Long("output") => args.output = Some(parser.value()?.into()),
            Long("help") => return Ok(None),
            Value(path) => args.input = path.into(),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(args))
}

fn at_least_one(value: std::ffi::OsString) -> Result<usize, lexopt::Error> {
    match value.parse()? {
        0 => Err("at least 1 is needed, and 0 was given".into()),
        n => Ok(n),
    }
}
