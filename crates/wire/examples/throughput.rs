//! What an item costs that crosses a connection: numbers of 8 bytes, served by one thread and received by
//! another. Of five runs the median; see the documentation of the crate for what came of it.
//!
//! ```sh
//! cargo run --release -p millstream-wire --all-features --example throughput
//! ```

#![forbid(unsafe_code)]

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use millstream::executor::{CurrentThread, Threads};
use millstream::prelude::*;
use millstream_wire::{Ended, Link, connect, serve};

const RUNS: usize = 5;

fn main() -> std::io::Result<()> {
    let threads = Threads::new(64);
    let over = |socket| Link::from_socket(&threads.handle(), socket, 1024);
    println!("  {:36}{:>6}{:>12}{:>16}", "connection", "window", "ns an item", "items a second");
    for (window, items) in [(1024, 2_000_000), (64, 500_000), (1, 20_000)] {
        report("in memory, by tokio's duplex", window, items, || {
            let (here, there) = tokio::io::duplex(64 << 10);
            let link = |(reader, writer)| Link::from_tokio(reader, writer, 1024);
            Ok((link(tokio::io::split(there)), link(tokio::io::split(here))))
        })?;
        #[cfg(unix)]
        report("a Unix socket, by blocking threads", window, items, || {
            let (here, there) = std::os::unix::net::UnixStream::pair()?;
            Ok((over_unix(&threads, there)?, over_unix(&threads, here)?))
        })?;
        report("TCP on loopback, by blocking threads", window, items, || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let here = TcpStream::connect(listener.local_addr()?)?;
            Ok((over(listener.accept()?.0)?, over(here)?))
        })?;
    }
    Ok(())
}

#[cfg(unix)]
fn over_unix(threads: &Threads, socket: std::os::unix::net::UnixStream) -> std::io::Result<Link> {
    Link::from_socket(&threads.handle(), socket, 1024)
}

fn report(
    name: &str,
    window: usize,
    items: u64,
    dial: impl Fn() -> std::io::Result<(Link, Link)>,
) -> std::io::Result<()> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let (serves, receives) = dial()?;
        runs.push(run(serves, receives, window, items));
    }
    runs.sort_by(f64::total_cmp);
    let ns = runs[RUNS / 2];
    println!("  {name:36}{window:>6}{ns:>12.0}{:>16.0}", 1e9 / ns);
    Ok(())
}

/// Nanoseconds an item.
fn run(serves: Link, receives: Link, window: usize, items: u64) -> f64 {
    let start = Instant::now();
    let served = thread::spawn(move || {
        let encode = |n: &u64, into: &mut Vec<u8>| {
            into.extend_from_slice(&n.to_be_bytes());
            Ok::<(), String>(())
        };
        serve(millstream::from_iter(0..items), serves, encode, window).block()
    });
    let executor = CurrentThread::new();
    let decode = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes);
    let numbers = connect(executor.handle(), receives, decode, window);
    let sum = executor.run_until(numbers.fold(0, |sum, n| sum + n));
    assert_eq!(sum.ok(), Some(items * (items - 1) / 2));
    let elapsed = start.elapsed();
    // Until the farewell is over, which is a task of this thread.
    drop(executor);
    assert!(matches!(served.join().map(|report| report.end), Ok(Ended::Completed)));
    elapsed.as_nanos() as f64 / items as f64
}
