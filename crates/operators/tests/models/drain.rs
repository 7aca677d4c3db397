//! Models of a drain: it is stopped and aborted while there are items, and each item is counted once.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use millstream_core::{Fault, More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::lifecycle::{DrainHandle, DrainReport};
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Fault as Faulted};
use crate::oracle::{Oracle, begins};
use crate::{all, late, split};

/// What a drain says when all is over.
fn report(drain: &DrainHandle) -> DrainReport {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(drain.join()).poll(&mut context) {
        Poll::Ready(report) => report,
        Poll::Pending => panic!("somebody is left: {drain:?}"),
    }
}

#[test]
fn a_stop_races_the_items() {
    model("drain: a_stop_races_the_items", || {
        let (oracle, drain) = (Oracle::new(), DrainHandle::new());
        let (source, start) = late(&oracle, 0..3);
        source
            .received_by(&drain)
            .prefetch(1)
            .delivered_by(&drain)
            .subscribe(oracle.probe(|_| More::ONE));
        let upstream = thread::spawn(move || start.go());
        oracle.request(1);
        drain.stop();
        upstream.join().unwrap();
        let log = oracle.finish();
        let (sent, end) = split(&log);
        assert!([0, 1, 2].starts_with(&sent) && end == Some(&Complete), "{log:?}");
        let report = report(&drain);
        assert_eq!(report.received, sent.len() as u64, "all that came in came out: {report}");
        assert_eq!((report.delivered, report.aborted), (report.received, 0));
    });
}

#[test]
fn an_abort_races_the_items_and_a_cancellation() {
    model("drain: an_abort_races_the_items_and_a_cancellation", || {
        let (oracle, drain) = (Oracle::new(), DrainHandle::new());
        let (source, start) = late(&oracle, 0..2);
        source.received_by(&drain).delivered_by(&drain).subscribe(oracle.probe(|_| More::ONE));
        let upstream = thread::spawn(move || start.go());
        oracle.request(1);
        let aborts = drain.clone();
        let other = thread::spawn(move || aborts.abort());
        oracle.cancel();
        upstream.join().unwrap();
        assert!(other.join().unwrap());
        let log = oracle.finish();
        let (sent, end) = split(&log);
        let broken = Faulted(Fault::Aborted.to_string());
        assert!(
            begins(&all(0..2), &log)
                || [0, 1].starts_with(&sent) && (end == Some(&broken) || end == Some(&Complete)),
            "{log:?}"
        );
        let report = report(&drain);
        let DrainReport { received, delivered, discarded, aborted, .. } = report;
        assert_eq!(received, delivered + discarded + aborted, "{report}");
        assert_eq!(delivered, sent.len() as u64, "{report}");
    });
}
