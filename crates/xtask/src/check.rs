//! The conventions that no compiler checks: `cargo xtask check`.
//!
//! What CONTRIBUTING.md and ARCHITECTURE.md promise about the tree, and that nobody would notice
//! breaking. Each finding says which file, and what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::aliases::{self, Aliases};

/// Which crates of the workspace a crate may depend on. Dependencies point one way.
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("sync", &[]),
    // The models of blocks are judged by it: it is not made of them.
    ("model", &["core", "sync"]),
    ("blocks", &["core", "sync"]),
    ("executors", &["core", "blocks"]),
    ("operators", &["core", "blocks", "executors"]),
    ("testkit", &["core", "model", "blocks", "executors"]),
    ("millstream", &["core", "executors", "operators"]),
    ("wire", &["core", "blocks", "executors", "operators"]),
    ("xtask", &[]),
];

/// What an operator must not name: the protocol lives in the blocks.
const FORBIDDEN_TO_OPERATORS: &[&str] =
    &["atomic", "Atomic", "Mutex", "RwLock", "Condvar", "UnsafeCell", "unsafe ", "millstream_sync"];

/// What only `millstream-sync` may name: the model checker must see all that is shared.
const FORBIDDEN_TO_BLOCKS: &[&str] = &[
    "std::sync::atomic",
    "std::sync::Mutex",
    "std::sync::Condvar",
    "std::thread",
    "std::cell::UnsafeCell",
];

const HEADINGS: &[&str] =
    &["# Demand", "# Completion", "# Errors", "# Cancellation", "# Bounds", "# Examples"];

/// Files of the operator folders that are no operators.
const NO_OPERATORS: &[&str] = &[
    "mod.rs",
    "backoff.rs",
    "broken.rs",
    "bytes.rs",
    "transport.rs",
    "late.rs",
    "from_upstream.rs",
    "ack_error.rs",
    "acked_publisher.rs",
    "commits.rs",
    "envelope.rs",
    "policy.rs",
    "settling.rs",
    "drain_handle.rs",
];

/// Folders of the operators that are no family.
const NO_FAMILIES: &[&str] = &["shape", "control"];

const FAMILIES: &[&str] = &[
    "source",
    "transform",
    "filter",
    "limit",
    "lifecycle",
    "combine",
    "flatten",
    "chunk",
    "timing",
    "fault",
    "boundary",
    "overflow",
    "ack",
    "fan_out",
    "effect",
    "end",
    "edge",
];

/// Tests with a row for each operator.
struct Table {
    /// A row in one of these is enough.
    files: &'static [&'static str],
    /// Only for those that call a function of the user.
    for_functions: bool,
    but_families: &'static [&'static str],
    /// Operators without a row, and why. One that has a row is none, nor one that is not there.
    exceptions: &'static [(&'static [&'static str], &'static str)],
}

const TABLES: &[Table] = &[
    Table {
        files: &["rows.rs", "sources.rs", "ends.rs", "edge.rs"],
        for_functions: false,
        but_families: &[],
        exceptions: &[],
    },
    Table {
        files: &["rules.rs"],
        for_functions: false,
        // An end is no publisher.
        but_families: &["end"],
        exceptions: &[
            (
                &[
                    "forward",
                    "into_sink",
                    "into_stream",
                    "into_target",
                    "send_to",
                    "write_to",
                    "write_to_tokio",
                ],
                "no publisher comes out of it",
            ),
            (
                &["from_tokio_reader", "tokio_lines"],
                "one of `futures` has the row, and both the shape",
            ),
        ],
    },
    Table {
        files: &["panics.rs"],
        for_functions: true,
        but_families: &[],
        exceptions: &[
            (
                &["finally", "inspect_cancel", "on_discard"],
                "a panic there has nowhere to go, and tests of its own",
            ),
            (
                &["for_each_concurrent", "try_for_each_concurrent"],
                "`map_async_unordered`, whose row is there, and an end",
            ),
        ],
    },
    Table {
        files: &["stack.rs"],
        for_functions: false,
        // An end is the bottom of the stack.
        but_families: &["end"],
        exceptions: &[
            (
                &[
                    "inspect_cancel",
                    "inspect_complete",
                    "inspect_end",
                    "inspect_err",
                    "inspect_first",
                    "inspect_request",
                    "inspect_subscribe",
                    "checkpoint",
                    "log",
                    "fallible",
                    "map_err",
                    "on_error_complete",
                ],
                "a `shape::stage`, as `inspect` and `map`",
            ),
            (
                &[
                    "enumerate",
                    "filter_map",
                    "map_into",
                    "map_while",
                    "stateful_map",
                    "try_map",
                    "limit",
                    "limit_weighted",
                    "take_through",
                    "take_while",
                ],
                "a `shape::stage`, as `map`, `scan` and `take`",
            ),
            (
                &["dedup_by_key", "skip_while", "unique", "unique_by"],
                "a `shape::stage` that skips, as `filter` and `dedup`",
            ),
            (&["default_if_empty"], "a `shape::stage` with a last item, as `on_error_return`"),
            (&["delivered_by"], "in the row of `received_by`"),
            (
                &["backpressure_timeout", "timeout_first"],
                "a `shape::awaited`, as `timeout` and `idle_timeout`",
            ),
            (
                &["rate_limit_weighted", "throttle_weighted"],
                "a `shape::paced`, as `throttle` and `rate_limit`",
            ),
            (&["sample"], "a `shape::kept`, as `debounce`"),
            (
                &["aggregate_with_boundary", "chunks_weighted_timeout"],
                "a `shape::timed_chunks`, as `chunks_timeout`",
            ),
            (
                &["window_by_key", "window_skip", "window_until"],
                "a `shape::windowing`, as `window` and `window_while`",
            ),
            (&["batch_weighted"], "a `shape::hurried`, as `batch`"),
            (
                &[
                    "map_async_partitioned_unordered",
                    "try_map_async_partitioned",
                    "try_map_async_partitioned_unordered",
                    "try_map_async_unordered",
                ],
                "a `shape::flights`, as `map_async_partitioned` and `try_map_async`",
            ),
            (
                &[
                    "async_lines",
                    "from_async_reader",
                    "from_broadcast",
                    "from_future",
                    "from_mpsc",
                    "from_source",
                    "from_tokio_reader",
                    "from_try_future",
                    "from_try_stream",
                    "from_watch",
                    "tokio_lines",
                    "try_unfold_async",
                ],
                "a `shape::polled`, as `unfold_async` and `from_stream`",
            ),
            (&["from_polled_client"], "one batch after another, which end when they are asked for"),
            (&["create"], "the source of `emitter`"),
            (&["repeat_while"], "the relay, as `repeat`"),
            (
                &["from_fn", "from_pull", "from_reader", "range", "repeat_value", "successors"],
                "a pull, as `from_iter`, `generate` and `lines`",
            ),
            (&["after", "empty", "fail", "just", "oneshot", "pending"], "one item at most"),
            (
                &[
                    "forward",
                    "into_sink",
                    "into_stream",
                    "into_target",
                    "send_to",
                    "write_to",
                    "write_to_tokio",
                ],
                "an end: the bottom of the stack",
            ),
        ],
    },
];

/// At least this many seeded faults for each block.
const FAULTS_PER_BLOCK: usize = 5;

pub(crate) fn run() -> Result<(), String> {
    let root = root()?;
    let mut findings = Vec::new();
    dependencies(&root, &mut findings)?;
    unsafe_code(&root, &mut findings)?;
    forbidden_words(&root, &mut findings)?;
    operators(&root, &mut findings)?;
    tests(&root, &mut findings)?;
    foreign_names(&root, &mut findings)?;
    models(&root, &mut findings)?;
    blocks(&root, &mut findings)?;
    if findings.is_empty() {
        println!("conventions: all kept");
        return Ok(());
    }
    Err(format!("{}\n{} conventions broken", findings.join("\n"), findings.len()))
}

/// The tree that is checked: where cargo runs this, and not where it was built. A target folder may
/// have been copied from another tree.
pub(crate) fn root() -> Result<PathBuf, String> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it as `cargo xtask`")?;
    let here = PathBuf::from(here);
    here.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} is not inside the workspace", here.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn dependencies(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    for (krate, allowed) in EDGES {
        let manifest = read(&root.join("crates").join(krate).join("Cargo.toml"))?;
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let Some(dependency) = line.strip_prefix("millstream") else { continue };
            if section.contains("dev-dependencies") || !section.contains("dependencies") {
                continue;
            }
            let dependency = dependency.trim_start_matches('-');
            let dependency = dependency.split(['.', ' ', '=']).next().unwrap_or_default();
            let dependency = if dependency.is_empty() { "millstream" } else { dependency };
            if !allowed.contains(&dependency) {
                findings.push(format!(
                    "crates/{krate}: depends on `{dependency}`; it may depend on {allowed:?}"
                ));
            }
        }
        let external = manifest
            .split("\n[")
            .filter(|part| part.starts_with("dependencies]"))
            .flat_map(|part| part.lines().skip(1))
            .filter(|line| line.contains('=') && !line.starts_with("millstream"))
            .count();
        if *krate == "core" && external > 0 {
            findings.push("crates/core: the contract depends on nothing".to_owned());
        }
    }
    for folder in fs::read_dir(root.join("crates")).map_err(|error| error.to_string())? {
        let krate = name(&folder.map_err(|error| error.to_string())?.path());
        if !EDGES.iter().any(|(known, _)| *known == krate) {
            findings.push(format!("crates/{krate}: say in `xtask check` what it may depend on"));
        }
    }
    Ok(())
}

fn unsafe_code(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    for (krate, _) in EDGES {
        let lib = root.join("crates").join(krate).join("src/lib.rs");
        if *krate == "blocks" || !lib.exists() {
            continue;
        }
        if !read(&lib)?.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("crates/{krate}: lacks `#![forbid(unsafe_code)]`"));
        }
    }
    Ok(())
}

fn forbidden_words(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    for (krate, words) in [("operators", FORBIDDEN_TO_OPERATORS), ("blocks", FORBIDDEN_TO_BLOCKS)] {
        for path in files(&root.join("crates").join(krate).join("src"), ".rs")? {
            for (number, line) in read(&path)?.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in words.iter().filter(|word| code.contains(**word)) {
                    findings.push(format!(
                        "{}:{}: names `{}`; that belongs below",
                        path.strip_prefix(root).unwrap_or(&path).display(),
                        number + 1,
                        word.trim()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn operators(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    let source = root.join("crates/operators/src");
    let index = read(&root.join("docs/operators.md"))?;
    let tests = root.join("crates/operators/tests");
    let methods = read(&source.join("ext.rs"))?;
    let mut operators = BTreeMap::new();
    for family in FAMILIES {
        for path in files(&source.join(family), ".rs")? {
            if NO_OPERATORS.contains(&name(&path).as_str()) {
                continue;
            }
            let text = read(&path)?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            for heading in HEADINGS {
                if !text.contains(&format!("/// {heading}")) {
                    findings.push(format!("{shown}: its documentation lacks `{heading}`"));
                }
            }
            if !text.contains("/// ```text") {
                findings.push(format!("{shown}: its documentation lacks a marble diagram"));
            }
            let operator = name(&path).trim_end_matches(".rs").to_owned();
            operators.insert(operator, (*family, takes_a_function(&path, &text, &methods)));
        }
    }
    for operator in operators.keys() {
        if !index.contains(&format!("`{operator}(")) && !index.contains(&format!("`{operator}::<"))
        {
            findings.push(format!("docs/operators.md: lacks a line for `{operator}`"));
        }
    }
    for table in TABLES {
        let mut rows = BTreeSet::new();
        for file in table.files {
            rows.extend(read(&tests.join(file))?.lines().filter_map(row_of(&operators)));
        }
        let exceptions = || table.exceptions.iter().flat_map(|(names, _)| *names);
        for (operator, (family, takes_a_function)) in &operators {
            let wanted =
                !table.but_families.contains(family) && (*takes_a_function || !table.for_functions);
            let excepted = exceptions().any(|name| name == operator);
            let has = rows.contains(operator);
            if wanted && !has && !excepted {
                findings.push(format!(
                    "crates/operators/tests/{}: `{operator}` has no row",
                    table.files[0]
                ));
            }
            if excepted && (has || !wanted) {
                findings.push(format!(
                    "xtask check: `{operator}` is no exception of {} any more",
                    table.files[0]
                ));
            }
        }
        for unknown in exceptions().filter(|name| !operators.contains_key(**name)) {
            findings.push(format!("xtask check: there is no operator `{unknown}`"));
        }
    }
    for folder in fs::read_dir(&source).map_err(|error| error.to_string())? {
        let path = folder.map_err(|error| error.to_string())?.path();
        let family = name(&path);
        let known = [NO_FAMILIES, FAMILIES].concat().contains(&family.as_str());
        if path.is_dir() && !known {
            findings.push(format!("crates/operators/src/{family}: an unknown family"));
        }
    }
    Ok(())
}

fn foreign_names(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    let mut known = Aliases::new();
    let wire = files(&root.join("crates/wire/src"), ".rs")?;
    for path in files(&root.join("crates/operators/src"), ".rs")?.into_iter().chain(wire) {
        // Other methods of the same names.
        if !["acked_publisher.rs", "policy.rs"].contains(&name(&path).as_str()) {
            aliases::collect(&read(&path)?, &mut known);
        }
    }
    findings.extend(aliases::unkept(&read(&root.join("docs/operators.md"))?, &known));
    Ok(())
}

/// Whether user code runs in it, by the bounds of its method or function.
fn takes_a_function(path: &Path, text: &str, methods: &str) -> bool {
    let file = name(path);
    let operator = file.trim_end_matches(".rs");
    let mut signatures = Vec::new();
    for (text, start) in [(methods, "\n    fn "), (text, "\npub fn ")] {
        let of = |part: &&str| {
            part.strip_prefix(operator).is_some_and(|rest| rest.starts_with(['(', '<']))
        };
        signatures.extend(text.split(start).skip(1).filter(of));
    }
    signatures.iter().any(|text| {
        let signature = text.split('{').next().unwrap_or_default();
        ["Fn(", "FnMut(", "FnOnce("].iter().any(|bound| signature.contains(bound))
    })
}

/// The operator whose row a line of a table is: `name:` or `name_of_a_variant:`, but not the row of
/// another operator.
fn row_of<V>(operators: &BTreeMap<String, V>) -> impl Fn(&str) -> Option<String> {
    move |line| {
        let line = line.trim_start();
        let line = line.strip_prefix("fn ").unwrap_or(line);
        let word = line.split([':', '(']).next().unwrap_or_default();
        let is_of = |operator: &&String| {
            word.strip_prefix(operator.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        operators.keys().filter(is_of).max_by_key(|operator| operator.len()).cloned()
    }
}

/// Tests that are in no binary do not run, and nobody would notice.
fn tests(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    let krate = root.join("crates/operators");
    let manifest = read(&krate.join("Cargo.toml"))?;
    let binaries: Vec<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"tests/")?.strip_suffix('"'))
        .collect();
    let mut families = String::new();
    for family in binaries.iter().filter(|path| !path.contains('/')) {
        families += &format!("\n{}", read(&krate.join("tests").join(family))?);
    }
    let entries = fs::read_dir(krate.join("tests")).map_err(|error| error.to_string())?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let file = name(&path);
        let (module, binary) = match file.strip_suffix(".rs") {
            Some(module) => (module, file.clone()),
            None => (file.as_str(), format!("{file}/main.rs")),
        };
        let is_code = path.is_dir() || file.ends_with(".rs");
        let runs =
            binaries.contains(&binary.as_str()) || families.contains(&format!("\nmod {module};\n"));
        if is_code && !runs {
            findings.push(format!("crates/operators/tests/{file}: is a module of no test binary"));
        }
    }
    Ok(())
}

/// Models that judge no fault of an operator may be models that cannot fail.
fn models(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    let folder = root.join("crates/operators");
    for path in files(&folder.join("tests/models"), ".rs")? {
        let module = name(&path).trim_end_matches(".rs").to_owned();
        if read(&path)?.contains("#[test]") && !folder.join("faults").join(&module).exists() {
            findings.push(format!("crates/operators: models of `{module}` have no seeded fault"));
        }
    }
    Ok(())
}

fn blocks(root: &Path, findings: &mut Vec<String>) -> Result<(), String> {
    let folder = root.join("crates/blocks");
    let modules = read(&folder.join("src/lib.rs"))?;
    for path in files(&folder.join("src"), ".rs")? {
        let block = name(&path).trim_end_matches(".rs").to_owned();
        // A private module is a part of the blocks that use it, and judged with them.
        if !modules.contains(&format!("\npub mod {block};")) {
            continue;
        }
        // The loop of an emission shares nothing: it is modelled in the islands that run it.
        let model = if block == "emission" { "island" } else { &block };
        if !folder.join(format!("tests/{model}.rs")).exists() {
            findings.push(format!("crates/blocks: `{block}` has no models"));
        }
        let faults = folder.join("faults").join(&block);
        let seeded = if faults.exists() { files(&faults, ".patch")?.len() } else { 0 };
        if seeded < FAULTS_PER_BLOCK {
            findings.push(format!(
                "crates/blocks: `{block}` has {seeded} seeded faults, at least \
                 {FAULTS_PER_BLOCK} are wanted"
            ));
        }
    }
    Ok(())
}
