//! What is promised of a workload, and what came of it.

use serde_json::Value;

use super::data::{Data, median, text};

/// One promise.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// Its name in the record of the workload.
    pub(crate) promise: &'static str,
    pub(crate) what: &'static str,
    pub(crate) most: f64,
    /// What was measured; none if there is nothing to compare with.
    pub(crate) is: Option<f64>,
}

impl Verdict {
    pub(crate) fn is_broken(&self) -> bool {
        self.is.is_some_and(|is| is > self.most)
    }
}

/// A workload, and the rows of those who do it.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    pub(crate) name: &'a str,
    pub(crate) workload: &'a Value,
    pub(crate) peers: Vec<&'a Value>,
    /// Those of the JVM, which were measured in a run of their own.
    pub(crate) jvm: Vec<&'a Value>,
}

impl<'a> Results<'a> {
    /// All workloads that were measured.
    pub(crate) fn all(compared: &'a Data, jvm: &'a Data) -> Vec<Results<'a>> {
        let workloads = compared.0.iter().filter(|record| record["promise"].is_object());
        let results = workloads.map(|workload| {
            let name = text(workload, "workload");
            let mut peers = compared.of("workload", name);
            peers.retain(|record| record["peer"].is_string());
            Results { name, workload, peers, jvm: jvm.of("workload", name) }
        });
        results.collect()
    }

    /// The first of a kind.
    pub(crate) fn of(&self, kind: &str) -> Option<&'a Value> {
        self.peers.iter().copied().find(|peer| text(peer, "kind") == kind)
    }

    /// The library whose median is lowest.
    pub(crate) fn best(&self) -> Option<&'a Value> {
        let libraries = self.peers.iter().copied().filter(|peer| text(peer, "kind") == "library");
        lowest(libraries)
    }

    pub(crate) fn best_of_jvm(&self) -> Option<&'a Value> {
        lowest(self.jvm.iter().copied().filter(|peer| text(peer, "kind") == "library"))
    }

    /// What is promised, in an order that does not change.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let ours = self.of("ours");
        let value = |record: Option<&Value>| record.and_then(|record| median(record, "quartiles"));
        let ratio = |field| ours.and_then(|ours| median(ours, field));
        let allocations =
            |record: Option<&Value>| record.and_then(|record| record["allocations"].as_f64());
        let above =
            |of: &dyn Fn(Option<&Value>) -> Option<f64>| Some(of(ours)? - of(self.of("limit"))?);
        let found = [
            ("of_limit", "times the limit", ratio("of_limit")),
            ("of_model", "times the model", ratio("of_model")),
            ("of_best", "times the best peer", ratio("of_best")),
            (
                "of_jvm",
                "times the best of the JVM",
                value(ours).zip(value(self.best_of_jvm())).map(|(ours, jvm)| ours / jvm),
            ),
            ("nanoseconds", "nanoseconds", value(ours)),
            ("allocations", "allocations a run", allocations(ours)),
            ("allocations_above", "allocations above the limit", above(&allocations)),
            ("kilobytes_above", "kilobytes above the limit", above(&value)),
        ];
        let verdicts = found.into_iter().filter_map(|(promise, what, is)| {
            let most = self.workload["promise"][promise].as_f64()?;
            Some(Verdict { promise, what, most, is })
        });
        verdicts.collect()
    }
}

fn lowest<'a>(rows: impl Iterator<Item = &'a Value>) -> Option<&'a Value> {
    rows.filter_map(|row| Some((median(row, "quartiles")?, row)))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured(ours: f64) -> Data {
        let peer = |kind: &str, median: f64, ratios: serde_json::Value| {
            json!({
                "workload": "W", "peer": kind, "kind": kind, "quartiles": [0.0, median, 9.0],
                "of_limit": ratios, "of_best": ratios, "allocations": 3,
            })
        };
        Data(vec![
            json!({
                "workload": "W",
                "promise": {"of_limit": 1.2, "of_best": 2.0, "of_jvm": 0.5, "allocations": 2.0},
            }),
            peer("limit", 1.0, json!(null)),
            peer("ours", ours, json!([1.0, ours, 9.0])),
            peer("library", 1.0, json!(null)),
        ])
    }

    #[test]
    fn a_promise_is_broken_by_more_than_it_says() {
        let (compared, jvm) = (measured(1.5), Data::default());
        let results = Results::all(&compared, &jvm);
        let broken: Vec<_> =
            results[0].verdicts().iter().filter(|v| v.is_broken()).map(|v| v.promise).collect();
        assert_eq!(broken, ["of_limit", "allocations"]);
    }

    #[test]
    fn nothing_to_compare_with_breaks_no_promise_and_keeps_none() {
        let (compared, jvm) = (measured(1.0), Data::default());
        let verdicts = Results::all(&compared, &jvm)[0].verdicts();
        let jvm = verdicts.iter().find(|verdict| verdict.promise == "of_jvm").expect("promised");
        assert!(jvm.is.is_none() && !jvm.is_broken());
    }
}
