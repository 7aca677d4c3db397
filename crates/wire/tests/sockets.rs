//! Connections of the system: sockets and pipes, by threads that block, and the readers and writers of
//! tokio.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

use millstream::executor::{CurrentThread, Threads};
use millstream::prelude::*;
use millstream::{Cause, Failure};
use millstream_wire::{Bytes, Ended, Link, Report, WireError, connect, serve};

use crate::common::{decode, encode};

const ALL: i64 = 20_000;

/// Two ends of a connection over the loopback interface.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (here, listener.accept().unwrap().0)
}

/// Numbers that are served by a thread over one end, and received over the other.
fn run(
    threads: &Threads,
    serves: Link,
    receives: Link,
) -> (
    thread::JoinHandle<Report<std::convert::Infallible>>,
    impl Publisher<Item = i64, Error = WireError>,
) {
    let served = thread::spawn(|| serve(millstream::from_iter(0..ALL), serves, encode, 32).block());
    (served, connect(threads.handle(), receives, decode, 64))
}

fn all_arrives(threads: &Threads, serves: Link, receives: Link) {
    let (served, stream) = run(threads, serves, receives);
    let sum = stream.fold(0, |sum, n| sum + n).block().unwrap();
    assert_eq!(sum, ALL * (ALL - 1) / 2);
    let report = served.join().unwrap();
    assert!(matches!(report.end, Ended::Completed), "{report:?}");
    assert_eq!((report.sent, report.received), (ALL as u64, ALL as u64));
}

fn some_arrive(threads: &Threads, serves: Link, receives: Link) {
    let (served, stream) = run(threads, serves, receives);
    let some = stream.take(5).collect::<Vec<_>>().block().unwrap();
    assert_eq!(some, [0, 1, 2, 3, 4]);
    let report = served.join().unwrap();
    assert!(matches!(report.end, Ended::Cancelled(Cause::NoMoreNeeded)), "{report:?}");
    assert_eq!((report.asked, report.sent, report.received), (5, 5, 5));
}

#[test]
fn a_stream_goes_over_tcp() {
    let threads = Threads::new(16);
    for scenario in [all_arrives, some_arrive] {
        let (here, there) = tcp();
        let link = |socket| Link::from_socket(&threads.handle(), socket, 1 << 16).unwrap();
        scenario(&threads, link(there), link(here));
    }
}

#[cfg(unix)]
#[test]
fn a_stream_goes_over_a_unix_socket() {
    let threads = Threads::new(16);
    for scenario in [all_arrives, some_arrive] {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let link = |socket| Link::from_socket(&threads.handle(), socket, 1 << 16).unwrap();
        scenario(&threads, link(there), link(here));
    }
}

#[test]
fn a_stream_goes_over_pipes() {
    let threads = Threads::new(16);
    for scenario in [all_arrives, some_arrive] {
        let ((from_there, to_here), (from_here, to_there)) =
            (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        let here = Link::from_blocking(&threads.handle(), from_there, to_there, 1 << 16);
        let there = Link::from_blocking(&threads.handle(), from_here, to_here, 1 << 16);
        scenario(&threads, there, here);
    }
}

#[test]
fn a_stream_goes_over_readers_and_writers_of_tokio() {
    for room in [1, 100, 1 << 16] {
        let executor = CurrentThread::new();
        let (here, there) = tokio::io::duplex(room);
        let [here, there] = [here, there].map(|stream| {
            let (reader, writer) = tokio::io::split(stream);
            Link::from_tokio(reader, writer, 1 << 16)
        });
        let served = serve(millstream::from_iter(0..1000), there, encode, 8);
        let stream = connect(executor.handle(), here, decode, 8).fold(0, |sum, n| sum + n);
        let (report, sum) = executor.run_until(futures::future::join(served, stream));
        assert_eq!(sum.unwrap(), 499_500);
        assert!(matches!(report.end, Ended::Completed), "{report:?}");
    }
}

#[test]
fn row_44_a_consumer_over_tcp_that_takes_its_time_holds_the_producer_back() {
    const WINDOW: u64 = 16;
    const ITEMS: u64 = 400;
    let threads = Threads::new(16);
    let (here, there) = tcp();
    let link = |socket| Link::from_socket(&threads.handle(), socket, 1 << 20).unwrap();
    let (made, consumed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ahead = Arc::new(Mutex::new(Vec::new()));
    let producer = {
        let (made, consumed, ahead) = (made.clone(), consumed.clone(), ahead.clone());
        millstream::from_iter(0..).map(move |_: u64| {
            // Looked at before what was made is counted, so that it is no more than it is.
            let consumed = consumed.load(Ordering::Acquire);
            let made = made.fetch_add(1, Ordering::AcqRel) + 1;
            ahead.lock().unwrap().push(made - consumed);
            vec![7; 4 << 10]
        })
    };
    let link_there = link(there);
    let served = thread::spawn(|| serve(producer, link_there, Bytes, 1024).block());
    let mut bytes = connect(threads.handle(), link(here), Bytes, WINDOW as usize)
        .prefetch(WINDOW as usize)
        .cursor();
    for n in 1..=ITEMS {
        let chunk = bytes.block_next().unwrap().unwrap();
        assert_eq!(chunk.len(), 4 << 10);
        consumed.store(n, Ordering::Release);
        if n == ITEMS / 2 {
            // As slow as can be: the producer comes to rest meanwhile.
            let mut before = 0;
            loop {
                thread::yield_now();
                let now = made.load(Ordering::Acquire);
                if now >= n && now == before && now - n >= WINDOW / 4 {
                    break;
                }
                before = now;
            }
        }
    }
    drop(bytes);
    let report = served.join().unwrap();
    assert!(matches!(report.end, Ended::Cancelled(Cause::NoMoreNeeded)), "{report:?}");
    // Those that wait behind the connection, the one that is consumed, and one that is not counted yet.
    let most = ahead.lock().unwrap().iter().copied().max().unwrap();
    assert!((2..=WINDOW + 2).contains(&most), "{most} were ahead of the consumer");
    let asked = report.asked;
    assert!((ITEMS..=ITEMS + WINDOW + 1).contains(&asked), "{asked} were asked for");
}

#[test]
fn a_process_that_goes_is_a_lost_connection() {
    let threads = Threads::new(16);
    let (here, there) = tcp();
    let link = Link::from_socket(&threads.handle(), here, 1 << 16).unwrap();
    let mut stream = connect(threads.handle(), link, Bytes, 4).cursor();
    // It accepts, and goes.
    drop(there);
    let failure = stream.block_next().unwrap_err();
    assert!(matches!(failure, Failure::Error(WireError::Lost(_))), "{failure}");
    assert!(stream.block_next().unwrap().is_none());
}

#[test]
fn whoever_stops_serving_in_the_middle_loses_the_connection_and_no_thread_waits() {
    let threads = Threads::new(16);
    let (here, there) = tcp();
    let link = Link::from_socket(&threads.handle(), there, 1 << 16).unwrap();
    let served = serve(millstream::pending::<i64>(), link, encode, 4);
    let link = Link::from_socket(&threads.handle(), here, 1 << 16).unwrap();
    let mut stream = connect(threads.handle(), link, decode, 4).cursor();
    let executor = CurrentThread::new();
    // Polled until both have said hello, and dropped.
    let mut served = Box::pin(served);
    let failure = executor.run_until(async {
        let mut next = Box::pin(stream.next());
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            assert!(served.as_mut().poll(cx).is_pending() && next.as_mut().poll(cx).is_pending());
            polls += 1;
            cx.waker().wake_by_ref();
            if polls > 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(served);
        next.await.unwrap_err()
    });
    assert!(matches!(failure, Failure::Error(WireError::Lost(_))), "{failure}");
}

#[test]
fn an_executor_without_a_thread_left_is_a_lost_connection() {
    let threads = Threads::new(1);
    let none = Threads::new(1);
    let busy = none.handle();
    drop(none);
    let (here, _there) = tcp();
    let link = Link::from_socket(&busy, here, 1 << 16).unwrap();
    let failure =
        connect(threads.handle(), link, Bytes, 4).collect::<Vec<_>>().block().unwrap_err();
    let Failure::Error(WireError::Lost(error)) = failure else { panic!("{failure}") };
    assert_eq!(error.to_string(), "the executor runs no reader or writer of this link");
}
