//! The clocks keep the contract.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use millstream_executors::time::{Clock, ClockGone, Moment, SystemClock, sleep};
use millstream_executors::{CurrentThread, Executor, Refused, Task, Tokio};
use millstream_testkit::{VirtualTime, clock};

#[test]
fn the_system_clock_keeps_the_contract() {
    clock::check(|| {
        let clock = SystemClock::new();
        (clock.handle(), move || drop(clock))
    });
}

#[test]
fn tokio_keeps_the_contract() {
    clock::check(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let runtime = runtime.unwrap();
        (Tokio::new(runtime.handle().clone()), move || drop(runtime))
    });
}

#[test]
fn an_executor_with_a_clock_is_both() {
    let clock = SystemClock::new();
    let executor = CurrentThread::new();
    let time = executor.handle().with_clock(clock.handle());
    let spawn = |task: Task| -> Result<(), Refused> { time.spawn(task) };
    let (send, receive) = channel();
    spawn(Box::pin(async move { send.send("ran").unwrap() })).unwrap();
    executor.run_until_idle();
    assert_eq!(receive.recv(), Ok("ran"));
    assert!(time.now() <= clock.handle().now());
}

#[test]
fn a_runtime_without_timers_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tokio = Tokio::new(runtime.handle().clone());
    let mut timer = tokio.timer(Waker::noop().clone());
    assert_eq!(timer.set(tokio.now() + Duration::from_secs(1)), Err(ClockGone));
}

#[test]
fn clocks_of_real_time_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (tokio, clock) = (Tokio::new(runtime.handle().clone()), SystemClock::new());
    let (a, b, c) = (clock.handle().now(), tokio.now(), clock.handle().now());
    assert!(a <= b && b <= c, "{a} {b} {c}");
}

#[test]
fn a_clock_may_be_dropped_by_what_it_wakes() {
    struct Last(std::sync::Mutex<Option<SystemClock>>, std::sync::mpsc::Sender<()>);
    impl Wake for Last {
        fn wake(self: Arc<Self>) {
            let clock = self.0.lock().unwrap().take();
            drop(clock);
            self.1.send(()).unwrap();
        }
    }
    let clock = SystemClock::new();
    let handle = clock.handle();
    let (send, receive) = channel();
    let last = Arc::new(Last(std::sync::Mutex::new(Some(clock)), send));
    let mut timer = handle.timer(Waker::from(last));
    timer.set(handle.now() + Duration::from_millis(2)).unwrap();
    receive.recv().unwrap();
}

/// A floor far below what it takes, so that it fails where timers cost what threads do.
#[test]
fn a_hundred_thousand_timers_come_and_go() {
    let clock = SystemClock::new();
    let begun = Instant::now();
    let later = clock.handle().now() + Duration::from_secs(3600);
    let mut timer = clock.handle().timer(Waker::noop().clone());
    for n in 0..100_000_u64 {
        timer.set(later + Duration::from_millis(n % 1000)).unwrap();
        timer.clear();
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn virtual_time_goes_on_by_itself_and_no_further() {
    let time = VirtualTime::new(1);
    let day = Duration::from_secs(24 * 60 * 60);
    let until = Moment::START + day;
    assert_eq!(time.run_until(sleep(time.clone(), day)), Ok(()));
    assert_eq!(time.now(), until);
    assert_eq!(time.clock().timers(), 0);
}

#[test]
#[should_panic(expected = "no task is ready and no timer is set: the future would wait for ever")]
fn virtual_time_tells_of_a_future_that_nothing_will_wake() {
    VirtualTime::new(1).run_until(std::future::pending::<()>());
}

#[test]
fn a_sleep_ends_with_its_clock() {
    let time = VirtualTime::new(1);
    let mut asleep = sleep(time.clone(), Duration::from_secs(1));
    let mut polled = 0;
    let ended = time.run_until(std::future::poll_fn(|context| {
        polled += 1;
        let ready = std::pin::Pin::new(&mut asleep).poll(context);
        if polled == 1 {
            assert!(ready.is_pending());
            time.clock().shut_down();
        }
        ready
    }));
    assert_eq!(ended, Err(ClockGone));
}
