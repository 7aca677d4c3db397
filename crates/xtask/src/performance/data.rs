//! The data files of the document: JSON lines, one record each, in an order that does not change.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The records of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data(pub(crate) Vec<Value>);

impl Data {
    /// Those of a file; none, if there is no file.
    pub(crate) fn read(path: &Path) -> Result<Data, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Data::default());
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let records = text.lines().map(|line| {
            serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display()))
        });
        Ok(Data(records.collect::<Result<_, _>>()?))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text: String = self.0.iter().map(|record| format!("{record}\n")).collect();
        write(path, &text)
    }

    /// Puts the records of `new` where there were some with the same `keys`, in the order of
    /// workloads; what `new` says nothing of stays.
    pub(crate) fn merge(&mut self, new: Data, keys: &[&str]) {
        let key = |record: &Value| keys.iter().map(|key| record[key].clone()).collect::<Vec<_>>();
        let measured: Vec<_> = new.0.iter().map(key).collect();
        self.0.retain(|record| !measured.contains(&key(record)));
        self.0.extend(new.0);
        self.0.sort_by_cached_key(|record| natural(text(record, "workload")));
    }

    /// The records that have `field`, and whose `field` is `value`.
    pub(crate) fn of<'a>(&'a self, field: &str, value: &str) -> Vec<&'a Value> {
        self.0.iter().filter(|record| record[field].as_str() == Some(value)).collect()
    }

    /// The different values of a field, in order.
    pub(crate) fn all(&self, field: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for value in self.0.iter().filter_map(|record| record[field].as_str()) {
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// A field that is text; empty if it is not there.
pub(crate) fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

/// The median of a field that holds quartiles.
pub(crate) fn median(record: &Value, field: &str) -> Option<f64> {
    record[field][1].as_f64()
}

/// `W1/3` before `W1/10`: numbers are compared as such.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_number = false;
    for letter in name.chars() {
        let digit = letter.to_digit(10).map(u64::from);
        if in_number && digit.is_none() {
            parts.push((String::new(), 0));
        }
        in_number = digit.is_some();
        if let Some((word, number)) = parts.last_mut() {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(digit),
                None => word.push(letter),
            }
        }
    }
    parts
}

/// As many digits as are true.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["W10", "W1/50", "W2/1", "W1/boxed-10", "W1/3", "W1/boxed-3", "W1/10"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["W1/3", "W1/10", "W1/50", "W1/boxed-3", "W1/boxed-10", "W2/1", "W10"]);
    }

    #[test]
    fn a_merge_replaces_what_was_measured_again_and_keeps_the_rest() {
        let record = |name: &str, n: u64| json!({"workload": name, "n": n});
        let mut data = Data(vec![record("W1", 1), record("W1", 2), record("W2", 3)]);
        data.merge(Data(vec![record("W1", 4), record("W0", 5)]), &["workload"]);
        assert_eq!(data.0, [record("W0", 5), record("W1", 4), record("W2", 3)]);
    }
}
