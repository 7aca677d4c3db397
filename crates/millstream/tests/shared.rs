//! What an application keeps in a state that threads share, or hands on as an error, is `Send` and
//! `Sync`: a server's state and the boxes of errors ask for both.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::thread;

use millstream::ack::AckError;
use millstream::combine::Failures;
use millstream::effect::AtCheckpoint;
use millstream::end::{SingleError, TooMany};
use millstream::executor::{CurrentThreadHandle, Pool, PoolHandle, Refused, Threads};
use millstream::lifecycle::{DrainHandle, KillSwitch};
use millstream::limit::{LimitError, Permits};
use millstream::overflow::Valve;
use millstream::prelude::*;
use millstream::source::NotUtf8;
use millstream::time::{ClockGone, SystemClock};
use millstream::timing::{ThrottleError, TimeoutError, TokenBucket};
use millstream::{
    Board, DeliveryError, Emitter, Failure, Fault, InvalidDemand, OneshotSender, SendError, Sender,
    SharedPublisher, Subscription, TrySendError,
};

type Never = Infallible;
/// An item that can be sent, and not shared.
type Sent = Cell<u32>;

#[test]
fn handles_are_shared_by_threads_whatever_the_items_are() {
    fn shared<T: Send + Sync + 'static>() {}

    shared::<Sender<Sent>>();
    shared::<Emitter<Sent>>();
    shared::<OneshotSender<Sent>>();
    shared::<KillSwitch<Sent>>();
    shared::<SharedPublisher<Sent, Never>>();
    shared::<Subscription>();
    shared::<DrainHandle>();
    shared::<Permits>();
    shared::<TokenBucket>();
    shared::<Valve>();
    shared::<Board>();
    shared::<(Pool, PoolHandle, Threads, CurrentThreadHandle, SystemClock)>();
}

#[test]
fn errors_go_into_the_boxes_of_an_application() {
    fn boxed<E: Error + Send + Sync + 'static>() {}

    boxed::<Fault>();
    boxed::<Refused>();
    boxed::<ClockGone>();
    boxed::<InvalidDemand>();
    boxed::<Failure<Never>>();
    boxed::<Failures<Never>>();
    boxed::<DeliveryError<Never, ClockGone>>();
    #[cfg(feature = "futures")]
    boxed::<millstream::WriteError>();
    #[cfg(feature = "tokio-sync")]
    boxed::<millstream::Lagged>();
    boxed::<SendError<u32>>();
    boxed::<TrySendError<u32>>();
    boxed::<SingleError<Never>>();
    boxed::<TooMany<Never>>();
    boxed::<NotUtf8>();
    boxed::<AckError<Never>>();
    boxed::<LimitError<Never>>();
    boxed::<ThrottleError<Never>>();
    boxed::<TimeoutError<Never>>();
    boxed::<AtCheckpoint<Never>>();
}

#[test]
fn a_panic_is_shared_as_its_text_and_goes_on_as_what_it_was() {
    fn run() -> Result<u64, Box<dyn Error + Send + Sync>> {
        let quotients = millstream::from_iter([1_u32, 0]).map(|n| 1 / n);
        Ok(quotients.count().block()?)
    }
    let error = run().unwrap_err();
    assert!(error.to_string().contains("divide by zero"), "{error}");

    #[derive(Debug, PartialEq)]
    struct Payload(Cell<u32>);
    let odd = millstream::from_iter([0]).inspect(|n| {
        std::panic::panic_any(Payload(Cell::new(*n)));
    });
    let Err(Failure::Fault(Fault::Panicked(panic))) = odd.count().block() else {
        panic!("it panicked");
    };
    assert_eq!(panic.message(), None);
    let payload = panic.into_payload().downcast::<Payload>().expect("what it panicked with");
    assert_eq!(*payload, Payload(Cell::new(0)));
}

#[test]
fn a_stored_pipeline_is_run_by_threads_that_share_it() {
    let stored = Arc::new(millstream::range(0..100).map(|n| n * n).boxed_clone());
    let sums = [1, 2, 3].map(|_| {
        let stored = Arc::clone(&stored);
        thread::spawn(move || SharedPublisher::clone(&stored).fold(0, |sum, n| sum + n).block())
    });
    for sum in sums {
        assert_eq!(sum.join().expect("no panic").unwrap(), 328_350);
    }
}
