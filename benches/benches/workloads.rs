//! The workloads under criterion: a group for each, so that its report is the comparison.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream_benches::{Workload, workloads};

fn all(criterion: &mut Criterion) {
    for workload in workloads::chosen(&[]).into_iter().filter(Workload::is_timed) {
        workload.check();
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(workload.items()));
        for peer in &workload.peers {
            group.bench_function(peer.name, |bencher| bencher.iter(peer.run));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = all
}
criterion_main!(benches);
