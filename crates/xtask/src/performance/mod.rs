//! `cargo xtask compare`: measures, keeps what was measured, and draws the document from it.

pub(crate) mod data;
pub(crate) mod instructions;
mod plots;
mod programs;
mod promises;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use data::{Data, write};
use promises::Results;

const USAGE: &str = "\
cargo xtask compare [WORKLOAD ..] [--rounds N] [--short] [--jvm] [--scaling] [--programs]
                    [--all] [--draw] [--check] [--out DIR]

  WORKLOAD    W4 is all of W4, W4/flat what begins so; all of them, if none is named
  --rounds N  at most so many, instead of 151
  --short     fewer items and rounds: two minutes
  --jvm       the libraries of the JVM as well; needs a JDK and Maven
  --scaling   instead: the cost of an item by the number of items, stages, boundaries, ..
  --programs  instead: compile time and size of chains
  --all       workloads, scaling and programs
  --draw      measures nothing: draws tables and plots from what was kept; with --jvm it takes in
              what benches/jvm/run wrote last
  --check     with --draw: fails where the document is not what would be drawn
  --out DIR   where data and plots go: docs/performance, or target/performance with --short";

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    filters: Vec<String>,
    rounds: Option<String>,
    out: Option<PathBuf>,
    flags: Vec<String>,
}

impl Plan {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
        const FLAGS: &[&str] =
            &["--short", "--jvm", "--scaling", "--programs", "--all", "--draw", "--check"];
        let mut plan = Plan::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => plan.rounds = Some(arguments.next().ok_or(USAGE)?),
                "--out" => plan.out = Some(PathBuf::from(arguments.next().ok_or(USAGE)?)),
                flag if FLAGS.contains(&flag) => plan.flags.push(argument),
                flag if flag.starts_with('-') => {
                    return Err(format!("compare: unknown argument {flag}\n\n{USAGE}"));
                }
                _ => plan.filters.push(argument),
            }
        }
        if plan.has("--check") && !plan.has("--draw") {
            return Err(format!("compare: --check goes with --draw\n\n{USAGE}"));
        }
        Ok(plan)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }
}

pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let plan = Plan::parse(arguments)?;
    let root = crate::check::root()?;
    let out = match &plan.out {
        Some(out) => out.clone(),
        None if plan.has("--short") => root.join("target/performance"),
        None => root.join("docs/performance"),
    };
    if plan.has("--draw") {
        if plan.has("--jvm") {
            keep_jvm(&root, &out)?;
        }
        let drawn = draw(&root, &out)?;
        return if plan.has("--check") { check(&drawn) } else { keep(&drawn) };
    }
    let all = plan.has("--all");
    let only = !all && (plan.has("--scaling") || plan.has("--programs"));
    if all {
        // Both at once: linking takes a core each.
        build(&root, &["compare", "scaling"])?;
    }
    if !only {
        compare(&root, &out, &plan)?;
    }
    if plan.has("--jvm") {
        jvm(&root, &out, &plan)?;
    }
    if all || plan.has("--scaling") {
        scaling(&root, &out, &plan)?;
    }
    if all || plan.has("--programs") {
        programs::measure(&root)?.write(&out.join("programs.jsonl"))?;
    }
    keep(&draw(&root, &out)?)?;
    summary(&out)
}

/// Runs a program of the benches, and reads the records that it writes.
fn records_of(root: &Path, program: &str, arguments: &[String]) -> Result<Data, String> {
    let file = root.join("target").join(format!("{program}.jsonl"));
    // There is none yet where cargo puts its own elsewhere.
    write(&file, "")?;
    build(root, &[program])?;
    let mut run = bench(root, "run", &[program]);
    succeed(run.arg("--").args(arguments).arg("--data").arg(&file))?;
    Data::read(&file)
}

/// Builds programs of the benches, so that nothing is compiled while they run.
fn build(root: &Path, programs: &[&str]) -> Result<(), String> {
    succeed(&mut bench(root, "build", programs))
}

/// Everybody's loops begin at a line of the cache: where a short one lies in it makes it take twice as
/// long or not, which would be chance.
const ALIGNED: &str = "-C llvm-args=-align-loops=64";

fn bench(root: &Path, verb: &str, programs: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} {ALIGNED}").trim_start());
    command.current_dir(root).args([verb, "--quiet", "--release", "-p", "millstream-benches"]);
    command.args(programs.iter().flat_map(|program| ["--bin", program]));
    command
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// What a command prints, in one line.
pub(crate) fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn compare(root: &Path, out: &Path, plan: &Plan) -> Result<(), String> {
    let mut arguments = plan.filters.clone();
    if let Some(rounds) = &plan.rounds {
        arguments.extend(["--rounds".to_owned(), rounds.clone()]);
    }
    if plan.has("--short") {
        arguments.push("--short".to_owned());
    }
    let mut measured = records_of(root, "compare", &arguments)?;
    let commit = told("git", &["describe", "--always", "--dirty=+"]);
    let date = told("date", &["-u", "+%Y-%m-%d"]);
    for record in measured.0.iter_mut().filter(|record| record["promise"].is_object()) {
        record["commit"] = json!(commit);
        record["date"] = json!(date);
    }
    let path = out.join("compare.jsonl");
    let mut kept = Data::read(&path)?;
    kept.0.retain(|record| record["cpu"].is_null());
    kept.merge(measured, &["workload"]);
    kept.0.insert(0, machine());
    kept.write(&path)
}

fn machine() -> Value {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let said = |key: &str| {
        let says = |line: &'_ str| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        };
        processors.lines().find_map(says).unwrap_or_else(|| "unknown".to_owned())
    };
    // Virtual machines give one name to many processors.
    let (name, family, model) = (said("model name"), said("cpu family"), said("model"));
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": format!("{name} (family {family}, model {model})"),
        "kernel": told("uname", &["-sr"]),
        "rustc": told("rustc", &["--version"]),
    })
}

fn scaling(root: &Path, out: &Path, plan: &Plan) -> Result<(), String> {
    let mut arguments = Vec::new();
    if plan.has("--short") {
        arguments.push("--short".to_owned());
    }
    records_of(root, "scaling", &arguments)?.write(&out.join("scaling.jsonl"))
}

/// Runs what is in `benches/jvm`, and keeps what JMH says.
fn jvm(root: &Path, out: &Path, plan: &Plan) -> Result<(), String> {
    let folder = root.join("benches/jvm");
    let mut command = Command::new(folder.join("run"));
    if plan.has("--short") {
        command.arg("--short");
    }
    succeed(command.args(&plan.filters))?;
    keep_jvm(root, out)
}

fn keep_jvm(root: &Path, out: &Path) -> Result<(), String> {
    let folder = root.join("benches/jvm");
    let path = folder.join("target/results.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let results: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let results = results.as_array().ok_or("results of JMH are a list")?;
    let records = results.iter().map(of_jmh).collect::<Result<Vec<_>, String>>()?.concat();
    let path = out.join("jvm.jsonl");
    let mut kept = Data::read(&path)?;
    kept.merge(Data(records), &["workload"]);
    kept.write(&path)
}

/// One result of JMH: its benchmark is a class for the workload and a method for the library, and
/// its parameter is the name of the workload, or the names of several that are one there.
fn of_jmh(result: &Value) -> Result<Vec<Value>, String> {
    let benchmark = data::text(result, "benchmark");
    let peer = benchmark.rsplit('.').next().unwrap_or_default();
    let metric = &result["primaryMetric"];
    let mut figures: Vec<f64> = match metric["rawData"].as_array() {
        // A list for each fork, or one list.
        Some(raw) => raw
            .iter()
            .flat_map(|fork| fork.as_array().map_or(vec![fork], |fork| fork.iter().collect()))
            .filter_map(Value::as_f64)
            .collect(),
        None => Vec::new(),
    };
    if figures.is_empty() {
        figures.extend(metric["score"].as_f64());
    }
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1).ok_or(format!("{benchmark}: no figures"))?;
    let rounded = |value: f64| format!("{value:.3e}").parse::<f64>().unwrap_or(value);
    let at = |quarters: usize| rounded(figures[last * quarters / 4]);
    let record = |workload| {
        json!({
            "best": rounded(figures[0]),
            "kind": if peer.starts_with("bare") { "limit" } else { "library" },
            "peer": peer,
            "quartiles": [at(1), at(2), at(3)],
            "unit": metric["scoreUnit"],
            "workload": workload,
        })
    };
    Ok(data::text(&result["params"], "workload").split(' ').map(record).collect())
}

/// All files that are drawn, and what is to be in them.
type Drawn = BTreeMap<PathBuf, String>;

fn draw(root: &Path, out: &Path) -> Result<Drawn, String> {
    let read = |name: &str| Data::read(&out.join(name));
    let (compared, jvm) = (read("compare.jsonl")?, read("jvm.jsonl")?);
    let (scaling, programs) = (read("scaling.jsonl")?, read("programs.jsonl")?);
    let instructions = Data::read(&instructions::path(root))?;
    let results = Results::all(&compared, &jvm);
    let mut drawn = Drawn::new();

    let document = if out.ends_with("docs/performance") {
        root.join("docs/performance.md")
    } else {
        out.join("performance.md")
    };
    let mut text = fs::read_to_string(&document).unwrap_or_default();
    tables::put(&mut text, "machine", &tables::machine(&compared));
    tables::put(&mut text, "promises", &tables::promises(&results, &instructions));
    tables::put(&mut text, "programs", &tables::programs(&programs));
    drawn.insert(document, text);
    drawn.insert(out.join("peers.md"), tables::peers(&results));

    for (name, plot) in plots::all(&results, &scaling, &programs)? {
        drawn.insert(out.join(name), plot);
    }
    Ok(drawn)
}

fn keep(drawn: &Drawn) -> Result<(), String> {
    for (path, text) in drawn {
        write(path, text)?;
        println!("drawn: {}", path.display());
    }
    Ok(())
}

fn check(drawn: &Drawn) -> Result<(), String> {
    let stale = drawn
        .iter()
        .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text))
        .map(|(path, _)| path.display().to_string());
    let stale: Vec<_> = stale.collect();
    if stale.is_empty() {
        println!("{} files are what their data says", drawn.len());
        return Ok(());
    }
    Err(format!(
        "not what the data says; `cargo xtask compare --draw` draws them:\n{}",
        stale.join("\n")
    ))
}

/// What is promised, and what came of it.
fn summary(out: &Path) -> Result<(), String> {
    let read = |name: &str| Data::read(&out.join(name));
    let (compared, jvm) = (read("compare.jsonl")?, read("jvm.jsonl")?);
    println!("  {:<16} {:<26} {:>10} {:>10}", "", "", "measured", "promised");
    let (mut promised, mut open, mut broken) = (0, 0, 0);
    for result in Results::all(&compared, &jvm) {
        for verdict in result.verdicts() {
            promised += 1;
            open += usize::from(verdict.is.is_none());
            broken += usize::from(verdict.is_broken());
            let note = match verdict.is {
                None => "  not measured",
                Some(_) if verdict.is_broken() => "  NOT MET",
                Some(_) => "",
            };
            println!(
                "  {:<16} {:<26} {:>10} {:>10}{note}",
                result.name,
                verdict.what,
                verdict.is.map_or("-".to_owned(), |is| format!("{is:.2}")),
                verdict.most,
            );
        }
    }
    for verdict in programs::verdicts(&read("programs.jsonl")?) {
        promised += 1;
        broken += usize::from(verdict.is_broken());
        let is = verdict.is.unwrap_or_default();
        let note = if verdict.is_broken() { "  NOT MET" } else { "" };
        println!(
            "  {:<16} {:<26} {is:>10.2} {:>10}{note}",
            "fifty stages", verdict.what, verdict.most
        );
    }
    println!("{promised} promises, {broken} not met, {open} not measured");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_jmh_is_a_row_of_each_of_its_workloads() {
        let result = json!({
            "benchmark": "millstream.W1Chain3.reactorHidden",
            "params": {"workload": "W1/3 W1/boxed-3"},
            "primaryMetric": {"score": 2.0, "scoreUnit": "ns/op", "rawData": [[3.0, 1.0, 2.0]]},
        });
        let row = |workload: &str| {
            json!({
                "best": 1.0, "kind": "library", "peer": "reactorHidden", "unit": "ns/op",
                "quartiles": [1.0, 2.0, 2.0], "workload": workload,
            })
        };
        assert_eq!(of_jmh(&result), Ok(vec![row("W1/3"), row("W1/boxed-3")]));
    }

    #[test]
    fn arguments_that_nobody_knows_are_refused() {
        let plan = |arguments: &[&str]| Plan::parse(arguments.iter().map(|&one| one.to_owned()));
        assert!(plan(&["W1", "--shrot"]).is_err());
        assert!(plan(&["--check"]).is_err());
        assert_eq!(plan(&["W1", "--short", "W2"]).expect("known").filters, ["W1", "W2"]);
    }
}
