//! Seeds each fault of `crates/blocks/faults/<block>/<name>.patch`, and of the same folder of the
//! operators, and wants the models to catch it: the verifier is verified.
//!
//! A patch begins with one line that says what it seeds and ends in `caught by <model>`. It is
//! applied to a copy of the tree, and the model named must fail there within the time limit (a
//! model that hangs has caught it). Everything else is an error: a patch that no longer applies
//! or compiles, a fault that survives, a fault that only another model catches, and models that
//! fail without any fault. `--models-passed` says that all models have just passed, built as here:
//! they are not run once more without a fault.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the model that a fault names may take: a sound one ends in seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// How long all models of a file may take together, also on a busy machine.
const LIMIT_OF_ALL: Duration = Duration::from_secs(600);

pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut layer, mut block, mut only) = (None, None, None);
    let mut sound = Sound::ToBeShown;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--layer" => layer = arguments.next(),
            "--block" => block = arguments.next(),
            "--only" => only = arguments.next(),
            "--models-passed" => sound = Sound::Shown,
            _ => return Err(format!("faults: unknown argument {argument}")),
        }
    }
    let root = crate::check::root()?;
    let faults: Vec<Fault> = (all(&root, Layer::Blocks)?.into_iter())
        .chain(all(&root, Layer::Operators)?)
        .filter(|fault| layer.as_ref().is_none_or(|layer| *layer == fault.layer.name()))
        .filter(|fault| block.as_ref().is_none_or(|block| *block == fault.block))
        .filter(|fault| only.as_ref().is_none_or(|only| *only == fault.name))
        .collect();
    if faults.is_empty() {
        return Err("faults: there is no such fault".to_owned());
    }
    let _alone = alone(&root)?;
    let started = Instant::now();
    let seeded = faults.len();
    let groups = groups(faults);
    // A bench is mostly one compiler after another: as many as there are cores.
    let benches = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let benches = benches.min(groups.len());
    let left = Mutex::new(groups);
    let bad = std::thread::scope(|scope| {
        let (root, left) = (&root, &left);
        let workers: Vec<_> = (0..benches)
            .map(|number| scope.spawn(move || work(&Bench::new(root, number)?, sound, left)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a bench panicked".to_owned())))
            .sum::<Result<usize, String>>()
    })?;
    let seconds = started.elapsed().as_secs();
    println!("{seeded} faults in {seconds} s, {bad} not as they should be");
    if bad == 0 { Ok(()) } else { Err(format!("faults: {bad} of {seeded} are wrong")) }
}

/// Held while the benches of this tree are in use: of two runs in it each would judge what the other
/// has built.
fn alone(root: &Path) -> Result<File, String> {
    let folder = root.join("target/faults");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    lock.try_lock().map_err(|error| format!("faults: another run is at work here: {error}"))?;
    Ok(lock)
}

/// The faults that the same models judge, together; the most first, so that no bench ends long
/// after the others.
fn groups(faults: Vec<Fault>) -> Vec<Vec<Fault>> {
    let mut groups = BTreeMap::<_, Vec<Fault>>::new();
    for fault in faults {
        let models = (fault.layer, fault.models().to_owned());
        groups.entry(models).or_default().push(fault);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    // One after another those that the same model judges: it is built once.
    for group in &mut groups {
        group.sort_by(|a, b| a.model.cmp(&b.model));
    }
    groups.sort_by_key(|group| Reverse(group.len()));
    groups
}

/// Takes group after group; how many faults were not as they should be.
fn work(bench: &Bench, sound: Sound, left: &Mutex<Vec<Vec<Fault>>>) -> Result<usize, String> {
    let take = || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let at = left.iter().position(|group| group[0].layer == bench.prefers).unwrap_or(0);
        (!left.is_empty()).then(|| left.remove(at))
    };
    let mut bad = 0;
    while let Some(group) = take() {
        if sound == Sound::ToBeShown {
            bench.check_unpatched(&group)?;
        }
        for fault in &group {
            let (ok, verdict) = bench.judge(fault)?;
            bad += usize::from(!ok);
            println!("{:<18} {:<34} {verdict}", fault.block, fault.name);
        }
    }
    Ok(bad)
}

/// Whether the models are known to pass without any fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    ToBeShown,
    Shown,
}

/// Where a fault is seeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// In a block; its models are a file of their own.
    Blocks,
    /// In an operator or a shape; the models of all are one file, with a module for each operator.
    Operators,
}

impl Layer {
    fn name(self) -> &'static str {
        match self {
            Layer::Blocks => "blocks",
            Layer::Operators => "operators",
        }
    }
}

/// One fault to seed.
struct Fault {
    layer: Layer,
    block: String,
    name: String,
    patch: PathBuf,
    /// The files that the patch changes.
    files: Vec<String>,
    model: String,
}

impl Fault {
    /// The file of models that judges the block: the emission runs in islands.
    fn test(&self) -> &str {
        match self.layer {
            Layer::Operators => "models",
            Layer::Blocks if self.block == "emission" => "island",
            Layer::Blocks => &self.block,
        }
    }

    /// The module of its model, in the file of operators' models.
    fn judge(&self) -> &str {
        self.model.split_once("::").map_or(&self.model, |(judge, _)| judge)
    }

    /// The function of its model, in its file.
    fn function(&self) -> &str {
        self.model.rsplit_once("::").map_or(&self.model, |(_, function)| function)
    }

    /// The file of models that judges it.
    fn models(&self) -> &str {
        match self.layer {
            Layer::Operators => self.judge(),
            Layer::Blocks => self.test(),
        }
    }
}

fn all(root: &Path, layer: Layer) -> Result<Vec<Fault>, String> {
    let mut faults = Vec::new();
    for block in sorted(&root.join("crates").join(layer.name()).join("faults"))? {
        for patch in sorted(&block)? {
            let text = read(&patch)?;
            let first = text.lines().next().unwrap_or_default();
            let Some((_, model)) = first.rsplit_once("caught by ") else {
                return Err(format!("{}: the first line names no model", patch.display()));
            };
            let model = model.trim_end_matches('.').to_owned();
            let files = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
            let files = files.map(str::to_owned).collect();
            let (block, name) = (stem(&block), stem(&patch));
            faults.push(Fault { layer, block, name, patch, files, model });
        }
    }
    Ok(faults)
}

/// A copy of the tree to seed faults in.
struct Bench {
    root: PathBuf,
    /// Whose faults it takes while there are any: models of operators are built with crates that
    /// those of blocks do without, and one bench builds them.
    prefers: Layer,
    tree: PathBuf,
    target: PathBuf,
}

/// Which models of a file are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// All of them.
    All,
    /// The one that a fault names, and those within something else, such as a module.
    Named,
}

/// How a run of models ended.
enum Ran {
    Clean,
    Failed(String),
    TimedOut,
}

impl Bench {
    /// Copies what git knows, and what is new. Files that are the same keep their time stamps,
    /// so that cargo builds them once.
    fn new(root: &Path, number: usize) -> Result<Bench, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |target| root.join(target));
        let bench = target.join(format!("faults/{number}"));
        let (tree, target) = (bench.join("tree"), bench.join("target"));
        let prefers = if number == 0 { Layer::Operators } else { Layer::Blocks };
        let bench = Bench { root: root.to_owned(), prefers, tree, target };
        let mut git = Command::new("git");
        git.args(["ls-files", "-co", "--exclude-standard"]).current_dir(root);
        let listed = git.output().map_err(|error| format!("git ls-files: {error}"))?;
        for file in String::from_utf8_lossy(&listed.stdout).lines() {
            let from = root.join(file);
            // Deleted, but not in the index.
            if from.is_file() {
                let bytes = fs::read(&from).map_err(|error| format!("{file}: {error}"))?;
                write_new(&bench.tree.join(file), &bytes)?;
            }
        }
        bench.take_what_is_built()?;
        Ok(bench)
    }

    /// A new bench begins with what was built to run the models without faults, where they have
    /// run: other crates than ours are the same. Cargo judges by time stamps, which `-a` keeps.
    fn take_what_is_built(&self) -> Result<(), String> {
        let built = self.root.join("target/loom/loom");
        if self.target.exists() || !built.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.target).map_err(|error| format!("a bench: {error}"))?;
        let copied = Command::new("cp").arg("-a").args([&built, &self.target]).status();
        match copied.map_err(|error| format!("cp: {error}"))? {
            status if status.success() => Ok(()),
            status => Err(format!("cp of {}: {status}", built.display())),
        }
    }

    /// Lays out the models that judge a fault, and what those use: all of them take long to build, all
    /// blocks for longer than the one that has the fault, and of an operator's models there is one file
    /// for all operators, with a module for each.
    fn lay_out(&self, fault: &Fault, which: Which) -> Result<(), String> {
        let blocks = "crates/blocks/src/lib.rs";
        let file = match fault.layer {
            Layer::Blocks => {
                let file = format!("crates/blocks/tests/{}.rs", fault.test());
                let used = self.used_by(fault, &file)?;
                self.leave_modules(blocks, &used)?;
                file
            }
            Layer::Operators => {
                let folder = "crates/operators/tests/models";
                let mut used = self.with_what_they_use(folder, vec![fault.judge().to_owned()])?;
                // That of the blocks, which has a path before it.
                used.push("oracle".to_owned());
                self.leave_modules(&format!("{folder}/main.rs"), &used)?;
                write_new(&self.tree.join(blocks), read(&self.root.join(blocks))?.as_bytes())?;
                format!("{folder}/{}.rs", fault.judge())
            }
        };
        let whole = read(&self.root.join(&file))?;
        let left = match which {
            Which::All => whole,
            Which::Named => without_other_tests(&whole, fault.function()),
        };
        write_new(&self.tree.join(file), left.as_bytes())
    }

    /// The blocks that a file of their models uses, and those with the fault.
    fn used_by(&self, fault: &Fault, models: &str) -> Result<Vec<String>, String> {
        let mut text = read(&self.root.join(models))?;
        let helpers: Vec<_> = text.lines().filter_map(module).map(str::to_owned).collect();
        for helper in helpers {
            text += &read(&self.root.join(format!("crates/blocks/tests/{helper}/mod.rs")))?;
        }
        let mut first = named(&text, "millstream_blocks::");
        first.extend(fault.files.iter().map(|file| stem(Path::new(file))));
        first.retain(|module| {
            self.root.join("crates/blocks/src").join(module).with_extension("rs").is_file()
        });
        self.with_what_they_use("crates/blocks/src", first)
    }

    /// Modules of a folder, and those that they use by the way of others: from the root of the crate.
    fn with_what_they_use(
        &self,
        folder: &str,
        mut used: Vec<String>,
    ) -> Result<Vec<String>, String> {
        let file = |module: &String| self.root.join(folder).join(module).with_extension("rs");
        let mut seen = 0;
        while let Some(module) = used.get(seen) {
            for name in named(&read(&file(module))?, "crate::") {
                if !used.contains(&name) && file(&name).is_file() {
                    used.push(name);
                }
            }
            seen += 1;
        }
        Ok(used)
    }

    /// Of the modules that a file declares, leaves those that are used.
    fn leave_modules(&self, file: &str, used: &[String]) -> Result<(), String> {
        let whole = read(&self.root.join(file))?;
        let stays =
            |line: &&str| module(line).is_none_or(|module| used.iter().any(|used| used == module));
        let left: Vec<&str> = whole.lines().filter(stays).collect();
        write_new(&self.tree.join(file), left.join("\n").as_bytes())
    }

    /// The models that judge a group must pass without any fault: all of a block; those that are
    /// named of an operator, where the others judge no fault of the group.
    fn check_unpatched(&self, group: &[Fault]) -> Result<(), String> {
        let (fault, test) = (&group[0], group[0].test());
        self.lay_out(fault, Which::All)?;
        let models = self.build(fault)?;
        let named: BTreeSet<_> = group.iter().map(|fault| ["--exact", &fault.model]).collect();
        let filters = match fault.layer {
            Layer::Blocks => vec![&[][..]],
            Layer::Operators => named.iter().map(|named| &named[..]).collect(),
        };
        for filter in filters {
            match self.run(&models, filter, LIMIT_OF_ALL)? {
                Ran::Clean => {}
                Ran::Failed(model) => {
                    return Err(format!("{test}: `{model}` fails without any fault"));
                }
                Ran::TimedOut => return Err(format!("{test}: hangs without any fault")),
            }
        }
        Ok(())
    }

    /// Whether all is as it should be with this fault, and what became of it.
    fn judge(&self, fault: &Fault) -> Result<(bool, String), String> {
        self.lay_out(fault, Which::Named)?;
        let sound = fault.files.iter().map(|file| {
            let file = self.tree.join(file);
            read(&file).map(|text| (file, text))
        });
        let sound = sound.collect::<Result<Vec<_>, _>>()?;
        let verdict = if self.apply(fault)? {
            self.seeded(fault)
        } else {
            Ok((false, "INVALID: does not apply".to_owned()))
        };
        for (file, text) in sound {
            write_new(&file, text.as_bytes())?;
        }
        verdict
    }

    fn seeded(&self, fault: &Fault) -> Result<(bool, String), String> {
        let started = Instant::now();
        let Ok(models) = self.build(fault) else {
            return Ok((false, "INVALID: does not compile".to_owned()));
        };
        let built = started.elapsed();
        let (ok, verdict) = self.tried(fault, &models)?;
        let (built, tried) = (built.as_secs_f32(), (started.elapsed() - built).as_secs_f32());
        Ok((ok, format!("{verdict}, {built:.1} s to build and {tried:.1} s to run")))
    }

    /// Runs the model that is to catch the fault; the others, where it does not.
    fn tried(&self, fault: &Fault, models: &Path) -> Result<(bool, String), String> {
        let named = &fault.model;
        Ok(match self.run(models, &["--exact", named], LIMIT)? {
            Ran::Failed(by) if by == *named => (true, format!("caught by {named}")),
            // Another thread of the model has panicked, or the process is gone.
            Ran::Failed(by) => (true, format!("caught by {named} ({by})")),
            Ran::TimedOut => (true, format!("caught by {named} (hangs)")),
            Ran::Clean => {
                self.lay_out(fault, Which::All)?;
                match self.run(&self.build(fault)?, &[], LIMIT_OF_ALL)? {
                    Ran::Failed(other) => (false, format!("NOT caught by {named}, but by {other}")),
                    Ran::TimedOut => (false, format!("NOT caught by {named}, but another hangs")),
                    Ran::Clean => (false, "SURVIVED".to_owned()),
                }
            }
        })
    }

    fn apply(&self, fault: &Fault) -> Result<bool, String> {
        let patch = File::open(&fault.patch).map_err(|error| format!("{}: {error}", fault.name))?;
        Command::new("patch")
            .args(["-p1", "-s", "-F0", "--no-backup-if-mismatch", "-r", "-"])
            .current_dir(&self.tree)
            .stdin(patch)
            .stdout(Stdio::null())
            .status()
            .map(|status| status.success())
            .map_err(|error| format!("patch: {error}"))
    }

    /// Builds a file of models: its executable.
    fn build(&self, fault: &Fault) -> Result<PathBuf, String> {
        let test = fault.test();
        let package = format!("millstream-{}", fault.layer.name());
        // Only what is built anew for each fault: the models are short, loom is not. In many small
        // parts, of which those are built again that a fault changes.
        let ours = ["blocks", "operators"].map(|package| {
            let profile = format!("profile.loom.package.millstream-{package}");
            [format!("{profile}.opt-level=0"), format!("{profile}.codegen-units=256")]
        });
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--profile", "loom", "-p", &package, "--no-run"])
            .args(["--test", test])
            .args(ours.iter().flatten().flat_map(|setting| ["--config", setting]))
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "--cfg millstream_loom")
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        let said = String::from_utf8_lossy(&built.stderr);
        let executable = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Executable ")?.split(['(', ')']).nth(1));
        match executable {
            Some(executable) if built.status.success() => Ok(self.tree.join(executable)),
            _ => Err(format!("{test}: does not compile\n{said}")),
        }
    }

    /// Runs models up to the first that fails.
    fn run(&self, models: &Path, filter: &[&str], limit: Duration) -> Result<Ran, String> {
        let said = self.target.join("faults-output.txt");
        let log = File::create(&said).map_err(|error| format!("{}: {error}", said.display()))?;
        let again = log.try_clone().map_err(|error| error.to_string())?;
        let mut child = Command::new(models)
            .args(["--nocapture", "--test-threads=1"])
            .args(filter)
            .env("RUST_BACKTRACE", "0")
            .stdout(log)
            .stderr(again)
            .spawn()
            .map_err(|error| format!("{}: {error}", models.display()))?;
        let started = Instant::now();
        loop {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&fs::read(&said).unwrap_or_default()).into_owned();
            let panicked = text.lines().find_map(|line| {
                line.strip_prefix("thread '")?.split_once("' ").map(|(model, _)| model.to_owned())
            });
            let timed_out = started.elapsed() > limit;
            if ended.is_none() && panicked.is_none() && !timed_out {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            if ended.is_none() {
                let _ = child.kill();
                let _ = child.wait();
            }
            return Ok(match (ended, panicked) {
                (_, Some(model)) => Ran::Failed(model),
                (None, None) => Ran::TimedOut,
                (Some(status), None) if status.success() => {
                    if text.contains("running 0 tests") {
                        return Err(format!("there is no model {filter:?}"));
                    }
                    Ran::Clean
                }
                (Some(status), None) => Ran::Failed(status.to_string()),
            });
        }
    }
}

/// The module that a line declares.
fn module(line: &str) -> Option<&str> {
    line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')
}

/// The names that stand after a path.
fn named(text: &str, path: &str) -> Vec<String> {
    let after = text.match_indices(path).map(|(at, path)| &text[at + path.len()..]);
    let name = |rest: &str| {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    after.map(name).collect()
}

/// A file of tests without those at its top level but the one named. It is formatted: a function ends
/// with the first line that is a brace alone.
fn without_other_tests(whole: &str, named: &str) -> String {
    let named = format!("fn {named}(");
    let mut left = String::new();
    // What is said of a function goes with it, and so do its attributes.
    let mut before = String::new();
    let mut lines = whole.split_inclusive('\n');
    while let Some(line) = lines.next() {
        before.push_str(line);
        if line.starts_with("///") || line.starts_with("#[") && line != "#[test]\n" {
            continue;
        }
        let mut test = std::mem::take(&mut before);
        if line == "#[test]\n" {
            for line in lines.by_ref() {
                test.push_str(line);
                if line == "}\n" {
                    break;
                }
            }
            if !test.contains(&named) {
                continue;
            }
        }
        left.push_str(&test);
    }
    left
}

/// Writes only what is not there yet.
fn write_new(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", file.display());
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(file, bytes).map_err(failed)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::without_other_tests;

    #[test]
    fn of_the_tests_at_the_top_level_the_named_one_is_left_with_what_is_said_of_it() {
        let said_of =
            |name| format!("/// About {name}.\n#[test]\nfn {name}() {{\n    f();\n}}\n\n");
        let (before, between) =
            ("use a::b;\n\n", "/// Helps.\n#[derive(C)]\nstruct F;\n\n#[cfg(d)]\n");
        let module = "mod inner {\n    #[test]\n    fn other() {}\n}\n";
        let whole =
            [before, &said_of("first"), between, &said_of("second"), &said_of("third"), module];
        let left = [before, "\n", between, &said_of("second"), "\n", module].concat();
        assert_eq!(without_other_tests(&whole.concat(), "second"), left);
    }
}
