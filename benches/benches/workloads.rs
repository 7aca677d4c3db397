//! The workloads under criterion: a group for each, so that its report is the comparison.
//!
//! `cargo bench -p millstream-benches [-- W4/flat]`

use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use millstream_benches::{Measure, Peer, Workload, set_items, workloads};

fn all(criterion: &mut Criterion) {
    set_items(100_000);
    for workload in workloads::chosen(&[]) {
        let mut group = criterion.benchmark_group(workload.name);
        // One that measures memory has many items, and here they take their time.
        set_items(if workload.measure == Measure::Memory { 1_000 } else { 100_000 });
        group.throughput(match workload.measure {
            Measure::RoundTrip => Throughput::Elements(1),
            _ => Throughput::Elements(workload.items()),
        });
        for peer in &workload.peers {
            group.bench_function(peer.name, |bencher| measure(&workload, peer, bencher));
        }
        group.finish();
    }
}

fn measure(workload: &Workload, peer: &Peer, bencher: &mut Bencher<'_>) {
    match workload.measure {
        Measure::Alone | Measure::Across | Measure::Memory => bencher.iter(peer.run),
        // A run is many round trips, and says itself what one of them takes.
        Measure::RoundTrip => bencher.iter_custom(|trips| {
            let begun = Instant::now();
            let median = Duration::from_nanos((peer.run)());
            assert!(median < begun.elapsed(), "a round trip is a part of its run");
            median.mul_f64(trips as f64)
        }),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = all
}
criterion_main!(benches);
