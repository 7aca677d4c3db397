//! The tables of the document.

use serde_json::Value;

use super::data::{Data, median, number, text};
use super::promises::{Results, Verdict};

/// Puts `table` between the marks of `name` in `document`, or at its end if there are none.
pub(crate) fn put(document: &mut String, name: &str, table: &str) {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let inside = format!("{begin}\n{table}\n{end}");
    let place = document.find(&begin).zip(document.find(&end));
    match place {
        Some((from, to)) if from < to => document.replace_range(from..to + end.len(), &inside),
        _ => *document += &format!("\n{inside}"),
    }
}

/// On what, and when, all of it was measured.
pub(crate) fn machine(compared: &Data) -> String {
    let Some(run) = compared.0.iter().find(|record| record["cpu"].is_string()) else {
        return "Nothing was measured yet.\n".to_owned();
    };
    let calibrations: Vec<f64> = (compared.0.iter())
        .filter_map(|record| record["calibration"].as_array())
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let least = calibrations.iter().copied().fold(f64::INFINITY, f64::min);
    let most = calibrations.iter().copied().fold(0.0, f64::max);
    let apart = (most / least - 1.0) * 100.0;
    let mut widths: Vec<f64> = Vec::new();
    for limit in compared.of("kind", "limit") {
        let quartile = |n: usize| limit["quartiles"][n].as_f64();
        if let (Some(low), Some(median), Some(high)) = (quartile(0), quartile(1), quartile(2)) {
            widths.push((high - low) / median * 100.0);
        }
    }
    widths.sort_by(f64::total_cmp);
    let width = widths.get(widths.len() / 2).copied().unwrap_or_default();
    let mut runs: Vec<String> = (compared.0.iter())
        .filter(|record| record["promise"].is_object())
        .map(|record| format!("{} at {}", text(record, "date"), text(record, "commit")))
        .collect();
    runs.sort();
    runs.dedup();
    format!(
        "{} with {} cores, {}, {}; {}. Noise: the loop of calibration took at most {apart:.0} % longer \
         than at least, and the quartiles of the limits were {width:.0} % apart, by their median.\n",
        text(run, "cpu"),
        run["cores"],
        text(run, "kernel"),
        text(run, "rustc"),
        runs.join(", "),
    )
}

/// A ratio with its quartiles, and what is promised; **bold** where it is broken.
fn ratio(peer: Option<&Value>, field: &str, verdict: Option<&Verdict>) -> String {
    let Some(quartiles) = peer.map(|peer| &peer[field]).filter(|value| value.is_array()) else {
        return String::new();
    };
    let [low, is, high] = [0, 1, 2].map(|n| number(quartiles[n].as_f64().unwrap_or_default()));
    let spread = if low == high { String::new() } else { format!(" ({low}–{high})") };
    judged(format!("{is}{spread}"), verdict)
}

fn judged(is: String, verdict: Option<&Verdict>) -> String {
    match verdict {
        None => is,
        Some(verdict) if verdict.is_broken() => format!("**{is}** ≤ {}", verdict.most),
        Some(verdict) => format!("{is} ≤ {}", verdict.most),
    }
}

/// One row for each workload: what is promised, and what was measured.
pub(crate) fn promises(results: &[Results<'_>], instructions: &Data) -> String {
    let mut table = String::from(
        "| workload | instructions: limit, ours | limit | ours | best peer | times the limit | \
         times the best peer | best of the JVM | times that | allocations per item |\n\
         |---|--:|--:|--:|---|--:|--:|---|--:|--:|\n",
    );
    for result in results {
        let (limit, ours) = (result.of("limit"), result.of("ours"));
        let verdicts = result.verdicts();
        let verdict = |name| verdicts.iter().find(|verdict| verdict.promise == name);
        let value = |peer: Option<&Value>| {
            peer.and_then(|peer| median(peer, "quartiles")).map(number).unwrap_or_default()
        };
        let named = |peer: Option<&Value>| {
            peer.map(|peer| format!("{} {}", text(peer, "peer"), value(Some(peer))))
                .unwrap_or_default()
        };
        let of_limit = match verdict("of_model") {
            Some(_) => format!("{} of the model", ratio(ours, "of_model", verdict("of_model"))),
            None => ratio(ours, "of_limit", verdict("of_limit")),
        };
        let of_limit = match verdict("kilobytes_above") {
            Some(above) => {
                let is = above.is.map(number).unwrap_or_default();
                format!("{} kB more", judged(is, Some(above)))
            }
            None => of_limit,
        };
        let of_jvm = verdict("of_jvm")
            .and_then(|verdict| Some(judged(number(verdict.is?), Some(verdict))))
            .unwrap_or_default();
        let per_item = ours.and_then(|ours| {
            let count = ours["allocations"].as_f64()? / result.workload["items"].as_f64()?;
            let (promise, broken) = match (verdict("allocations"), verdict("allocations_above")) {
                (Some(verdict), _) | (None, Some(verdict)) => {
                    (format!(", {} a run", verdict.most), verdict.is_broken())
                }
                (None, None) => (String::new(), false),
            };
            let count = if count < 0.0005 { "0".to_owned() } else { format!("{count:.3}") };
            let count = if broken { format!("**{count}**{promise}") } else { count };
            Some(count)
        });
        let counted = |kind: &str, peer: Option<&Value>| {
            let kept = instructions.of("workload", result.name);
            let found = kept.iter().find(|record| {
                text(record, "kind") == kind
                    && peer.is_some_and(|peer| text(record, "peer") == text(peer, "peer"))
            });
            found.and_then(|record| record["instructions"].as_f64())
        };
        let counts = match (counted("limit", limit), counted("ours", ours)) {
            (Some(limit), Some(ours)) => format!("{}, {}", number(limit), number(ours)),
            _ => String::new(),
        };
        let unit = match text(result.workload, "unit") {
            "kB" => ", kB",
            "ns a round trip" => ", a round trip",
            _ => "",
        };
        table += &format!(
            "| {}{unit} | {counts} | {} | {} | {} | {of_limit} | {} | {} | {of_jvm} | {} |\n",
            result.name,
            value(limit),
            judged(value(ours), verdict("nanoseconds")),
            named(result.best()),
            ratio(ours, "of_best", verdict("of_best")),
            named(result.best_of_jvm()),
            per_item.unwrap_or_default(),
        );
    }
    table
}

/// Every row that was measured: a page of its own.
pub(crate) fn peers(results: &[Results<'_>]) -> String {
    let mut page = String::from(
        "# Every peer\n\n\
         What [performance.md](../performance.md) is a summary of; drawn from the data beside it. Time \
         is in nanoseconds for an item, unless it says something else: the median, and the best \
         sample. Ratios are the medians of the ratios of the rounds, with their quartiles. *Other* is \
         not the same task in some respect, and no peer. Rows of the JVM were measured in a run of \
         their own, so they have no ratios.\n",
    );
    for result in results {
        page += &format!(
            "\n## {}\n\n{}; {}, {} rounds.\n\n\
             | | | {} | best | times the limit | times the best peer | allocations per item |\n\
             |---|---|--:|--:|--:|--:|--:|\n",
            result.name,
            text(result.workload, "task"),
            text(result.workload, "date"),
            result.workload["rounds"],
            text(result.workload, "unit"),
        );
        for peer in result.peers.iter().chain(&result.jvm) {
            let allocations = peer["allocations"].as_f64();
            let items = result.workload["items"].as_f64().unwrap_or(1.0);
            page += &format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                text(peer, "peer"),
                text(peer, "kind"),
                median(peer, "quartiles").map(number).unwrap_or_default(),
                peer["best"].as_f64().map(number).unwrap_or_default(),
                ratio(Some(peer), "of_limit", None),
                ratio(Some(peer), "of_best", None),
                allocations.map(|count| format!("{:.3}", count / items)).unwrap_or_default(),
            );
        }
    }
    page
}

/// What it takes to compile a chain, and how large its program is.
pub(crate) fn programs(programs: &Data) -> String {
    let mut table = String::from(
        "| chain | stages | seconds to compile | of processor time | kilobytes of program |\n\
         |---|--:|--:|--:|--:|\n",
    );
    for record in &programs.0 {
        table += &format!(
            "| {} | {} | {:.1} | {:.1} | {:.0} |\n",
            text(record, "chain"),
            record["stages"],
            record["seconds"].as_f64().unwrap_or_default(),
            record["processor_seconds"].as_f64().unwrap_or_default(),
            record["bytes"].as_f64().unwrap_or_default() / 1024.0,
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_that_was_there_and_nothing_else() {
        let mut document = "a\n".to_owned();
        put(&mut document, "t", "1");
        document += "b\n";
        let first = document.clone();
        put(&mut document, "t", "2");
        assert_eq!(document, first.replace('1', "2"));
        assert!(document.starts_with("a\n") && document.ends_with("b\n"));
    }
}
