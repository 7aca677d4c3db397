//! The check of the executor contract finds executors that break it, each by the claim it breaks.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use millstream::executor::{Executor, Refused, Task, executor_thread};
use millstream_testkit::executor::{Subject, check};

/// What an executor does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    PollsInsideSpawn,
    PollsInsideWake,
    /// A task is polled once, and never again.
    NeverPollsAgain,
    /// A wake-up during the poll of its task is lost.
    LosesWakeUps,
    /// The task that was woken last goes first.
    LastGoesFirst,
    KeepsWhatIsReady,
    PanicTakesItDown,
    DoesNotMark,
    /// The end forgets tasks that rest.
    KeepsWhatRests,
    RunsOnAfterTheEnd,
    TakesMoreAfterTheEnd,
    RefusesAfterTheEndAndKeepsTheTask,
}

use Wrong::*;

#[derive(Clone)]
struct Queue(Arc<Inside>);

struct Inside {
    wrong: Wrong,
    ready: Mutex<VecDeque<Arc<Job>>>,
    all: Mutex<Vec<Arc<Job>>>,
    kept: Mutex<Vec<Task>>,
    state: Mutex<(bool, bool)>,
}

struct Job {
    task: Mutex<Option<Task>>,
    polled: Mutex<bool>,
    queue: Queue,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let queue = self.queue.clone();
        let wrong = queue.0.wrong;
        if wrong == NeverPollsAgain && *self.polled.lock().unwrap() {
            return;
        }
        if wrong == LosesWakeUps && self.task.lock().unwrap().is_none() {
            return;
        }
        if wrong == PollsInsideWake {
            return queue.poll(&self);
        }
        queue.0.ready.lock().unwrap().push_back(self);
    }
}

impl Queue {
    fn new(wrong: Wrong) -> Queue {
        Queue(Arc::new(Inside {
            wrong,
            ready: Mutex::default(),
            all: Mutex::default(),
            kept: Mutex::default(),
            state: Mutex::new((false, false)),
        }))
    }

    fn goes_on(&self) -> bool {
        matches!(self.0.wrong, RunsOnAfterTheEnd | TakesMoreAfterTheEnd)
    }

    fn poll(&self, job: &Arc<Job>) {
        let wrong = self.0.wrong;
        let Some(mut task) = job.task.lock().unwrap().take() else { return };
        *job.polled.lock().unwrap() = true;
        let waker = Waker::from(job.clone());
        let mut context = Context::from_waker(&waker);
        let mark = (wrong != DoesNotMark).then(executor_thread::enter);
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
        drop(mark);
        match polled {
            Ok(Poll::Pending) => *job.task.lock().unwrap() = Some(task),
            Ok(Poll::Ready(())) if wrong == KeepsWhatIsReady => {
                self.0.kept.lock().unwrap().push(task);
            }
            Ok(Poll::Ready(())) => {}
            Err(_) => self.0.state.lock().unwrap().1 |= wrong == PanicTakesItDown,
        }
    }

    fn run(&self) {
        for _ in 0..16 {
            let (ended, down) = *self.0.state.lock().unwrap();
            if down || ended && !self.goes_on() {
                return;
            }
            let mut ready = self.0.ready.lock().unwrap();
            let next =
                if self.0.wrong == LastGoesFirst { ready.pop_back() } else { ready.pop_front() };
            drop(ready);
            let Some(job) = next else { return };
            self.poll(&job);
        }
    }

    fn end(&self) {
        let wrong = self.0.wrong;
        self.0.state.lock().unwrap().0 = true;
        if wrong == RunsOnAfterTheEnd {
            return;
        }
        let ready = std::mem::take(&mut *self.0.ready.lock().unwrap());
        let all = std::mem::take(&mut *self.0.all.lock().unwrap());
        for job in all {
            let rests = !ready.iter().any(|ready| Arc::ptr_eq(ready, &job));
            if wrong == KeepsWhatRests && rests {
                self.0.kept.lock().unwrap().extend(job.task.lock().unwrap().take());
            }
            let task = job.task.lock().unwrap().take();
            drop(task);
        }
    }
}

impl Executor for Queue {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let ended = self.0.state.lock().unwrap().0;
        if ended && !self.goes_on() {
            if self.0.wrong == RefusesAfterTheEndAndKeepsTheTask {
                self.0.kept.lock().unwrap().push(task);
            }
            return Err(Refused::new("the queue", "it is over"));
        }
        let job = Arc::new(Job {
            task: Mutex::new(Some(task)),
            polled: Mutex::new(false),
            queue: self.clone(),
        });
        self.0.all.lock().unwrap().push(job.clone());
        if self.0.wrong == PollsInsideSpawn {
            self.poll(&job);
        } else {
            self.0.ready.lock().unwrap().push_back(job);
        }
        Ok(())
    }
}

/// What the check says of an executor.
fn said(wrong: Wrong) -> Option<String> {
    let checked = catch_unwind(|| {
        check(|| {
            let queue = Queue::new(wrong);
            let (runs, ends) = (queue.clone(), queue.clone());
            Subject::new(queue, move || ends.end())
                .run_by(move || runs.run())
                // It is a failure that is waited for, so this is how long the test takes.
                .with_patience(Duration::from_millis(if wrong == Nothing { 30_000 } else { 300 }))
        });
    });
    checked.err().map(|payload| payload.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn an_executor_that_keeps_the_contract_passes() {
    assert_eq!(said(Nothing), None);
}

#[track_caller]
fn breaks(wrong: Wrong, claim: &str, how: &str) {
    let said = said(wrong).unwrap_or_else(|| panic!("{wrong:?} passes"));
    assert!(said.contains(claim) && said.contains(how), "{wrong:?}: {said}");
}

#[test]
fn executors_that_break_the_contract_are_found_by_the_claim_they_break() {
    breaks(PollsInsideSpawn, "a task runs to its end", "a task was polled from inside `spawn`");
    breaks(PollsInsideWake, "a woken task is polled again", "from inside a waker");
    breaks(NeverPollsAgain, "a woken task is polled again", "not within");
    breaks(LosesWakeUps, "a task that wakes itself in its poll", "not within");
    breaks(LastGoesFirst, "a busy task does not starve another", "all four are ready");
    breaks(KeepsWhatIsReady, "a task runs to its end and is dropped once", "dropped: 0");
    breaks(PanicTakesItDown, "a task that panics", "another one runs");
    breaks(DoesNotMark, "a thread that polls is marked", "executor_thread::enter");
    breaks(KeepsWhatRests, "the end drops what rests", "four tasks are dropped");
    breaks(RunsOnAfterTheEnd, "the end drops what rests", "four tasks are dropped");
    breaks(TakesMoreAfterTheEnd, "what comes after the end", "the task is dropped");
    breaks(
        RefusesAfterTheEndAndKeepsTheTask,
        "what comes after the end is refused or dropped",
        "a refused task is dropped at once",
    );
}
