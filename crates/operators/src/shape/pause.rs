//! A pause: a source without items that is complete after some time. It stands between two others
//! in a sequence, where demand waits meanwhile.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use millstream_core::{Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::on;
use crate::shape::timed::Alarm;

/// See the [module](self).
pub(crate) struct Pause<X, T> {
    time: X,
    length: Duration,
    like: PhantomData<fn() -> T>,
}

impl<X, T> Pause<X, T> {
    pub(crate) fn new(time: X, length: Duration) -> Pause<X, T> {
        Pause { time, length, like: PhantomData }
    }
}

impl<X, T> Publisher for Pause<X, T>
where
    X: Executor + Clock,
    T: Send + 'static,
{
    type Item = T;
    type Error = Infallible;

    fn subscribe<S: Subscriber<T, Infallible>>(self, subscriber: S) {
        let Pause { time, length, .. } = self;
        on(
            &time,
            |bell, _| {
                let alarm = Alarm::new(&time, bell);
                let until = alarm.now() + length;
                Pausing { alarm, until, like: PhantomData }
            },
            subscriber,
        );
    }
}

struct Pausing<T> {
    alarm: Alarm,
    until: Moment,
    like: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Pull for Pausing<T> {
    type Item = T;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<T, Infallible> {
        self.look_ahead(true)
    }

    // Nobody need ask for an end.
    fn look_ahead(&mut self, _: bool) -> Pulled<T, Infallible> {
        if self.alarm.now() >= self.until {
            return Pulled::Complete;
        }
        self.alarm.rest_until(self.until);
        Pulled::Pending
    }
}
