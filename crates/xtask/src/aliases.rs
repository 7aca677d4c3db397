//! The foreign names that `docs/operators.md` promises: each is found by the search of the
//! documentation, because it is a `#[doc(alias)]` of its operator, or the operator's own name.

use std::collections::{BTreeMap, BTreeSet};

/// The heading of the column of foreign names.
const COLUMN: &str = "also called";

/// The aliases of each function, by its name: of all functions of that name.
pub(crate) type Aliases = BTreeMap<String, BTreeSet<String>>;

/// Adds the aliases of the functions in a source file.
pub(crate) fn collect(source: &str, aliases: &mut Aliases) {
    let mut waiting = BTreeSet::new();
    // Of an attribute that goes on.
    let mut open = false;
    for line in source.lines().map(str::trim_start) {
        open |= line.starts_with("#[doc(");
        if open {
            waiting.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            open = !line.trim_end().ends_with(")]");
        } else if let Some(function) = function(line) {
            aliases.entry(function.to_owned()).or_default().append(&mut waiting);
        } else if !(line.starts_with("///") || line.starts_with("#[")) {
            // Of something else: a type, or a variant.
            waiting.clear();
        }
    }
}

/// The name of the function that a line declares.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    Some(word(line.strip_prefix("fn ")?))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// What the index names and no alias keeps, one finding each.
pub(crate) fn unkept(index: &str, aliases: &Aliases) -> Vec<String> {
    let mut column = None;
    let mut findings = Vec::new();
    for line in index.lines() {
        let Some(row) = line.strip_prefix('|') else {
            column = None;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Some(column) = column else {
            // The first line of a table.
            column = Some(cells.iter().position(|cell| *cell == COLUMN));
            continue;
        };
        let Some(names) = column.and_then(|column| cells.get(column)) else { continue };
        let operators: Vec<&str> =
            code(cells[0]).map(|call| word(call.trim_start_matches('.'))).collect();
        let kept = |name: &str| {
            operators.iter().any(|operator| {
                same(name, operator) || aliases.get(*operator).is_some_and(|all| all.contains(name))
            })
        };
        for name in code(names).filter(|name| !spellings(name).any(kept)) {
            findings.push(format!("docs/operators.md: `{name}` is no doc alias of {}", cells[0]));
        }
    }
    findings
}

/// What stands in backquotes.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The ways in which an alias may be written: whole, without its arguments, and without what it is a
/// method of.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let call = name.split('(').next().unwrap_or(name);
    let method = call.rsplit('.').next().unwrap_or(call);
    [name, call, method].into_iter()
}

/// Whether a search for `name` finds the operator without an alias: the search knows no case and no
/// underscores, and an alias that is the name itself is an error.
fn same(name: &str, operator: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    plain(name) == plain(operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        /// Chunks.
        #[doc(alias = "buffer", alias = "grouped")]
        #[track_caller]
        fn chunks(self, k: usize) -> Chunks<Self> {

        #[doc(
            alias = "Source.single",
            alias = "once"
        )]
        pub fn just<T>(item: T) -> Just<T> {

        #[doc(alias = "eager")]
        pub struct Other;
        fn other() {
    "#;

    fn findings(rows: &str) -> Vec<String> {
        let mut aliases = Aliases::new();
        collect(SOURCE, &mut aliases);
        unkept(&format!("| operator | what | also called |\n|---|---|---|\n{rows}"), &aliases)
    }

    #[test]
    fn aliases_belong_to_the_function_below_them() {
        let mut aliases = Aliases::new();
        collect(SOURCE, &mut aliases);
        let of = |name: &str| aliases[name].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(of("chunks"), ["buffer", "grouped"]);
        assert_eq!(of("just"), ["Source.single", "once"]);
        assert_eq!(of("other"), [""; 0], "what stands above a type is not of the next function");
    }

    #[test]
    fn what_is_an_alias_or_the_name_is_kept() {
        let rows = "| `chunks(k)` | in vectors | `buffer(k)`, `grouped` |\n\
                    | `just(x)`, `chunks(k)` | one | `Mono.just`, `Source.single`, `buffer` (Akka) |";
        assert_eq!(findings(rows), [""; 0]);
    }

    #[test]
    fn each_name_that_is_no_alias_is_a_finding() {
        let rows = "| `chunks(k)` | in vectors | `buffer`, `window`, `once` |\n\
                    | `just(x)` | one | |\n\
                    | `gone()` | nothing | `empty` |";
        let said = [
            "docs/operators.md: `window` is no doc alias of `chunks(k)`",
            "docs/operators.md: `once` is no doc alias of `chunks(k)`",
            "docs/operators.md: `empty` is no doc alias of `gone()`",
        ];
        assert_eq!(findings(rows), said);
    }

    #[test]
    fn tables_without_the_column_are_not_read() {
        let rows = "\n| end | what |\n|---|---|\n| `chunks(k)` | `nobody calls it so` |";
        assert_eq!(findings(rows), [""; 0]);
    }
}
