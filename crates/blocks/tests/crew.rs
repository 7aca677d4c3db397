//! Models of a crew: each piece of work is done once, whoever is idle when it is given, and after
//! the end nobody waits and nothing is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_blocks::crew::{Crew, Home, Taker};
use millstream_sync::{Mutex, UnsafeCell, lock, model, thread};

/// A worker, which does `most` pieces at most, and says which.
fn worker(crew: &Arc<Crew<u32>>, most: usize) -> thread::JoinHandle<Vec<u32>> {
    let crew = crew.clone();
    thread::spawn(move || {
        let mut seat = crew.sit();
        let mut done = Vec::new();
        while done.len() < most
            && let Some(work) = seat.take(0)
        {
            done.push(work);
        }
        done
    })
}

#[test]
fn giving_races_going_idle() {
    model("crew: giving_races_going_idle", || {
        let crew = Arc::new(Crew::new(2));
        let worker = worker(&crew, 2);
        assert_eq!(crew.give(1, Taker::Idle), Ok(()));
        assert_eq!(crew.give(2, Taker::Idle), Ok(()));
        assert_eq!(worker.join().unwrap(), [1, 2], "in the order in which it was given");
    });
}

/// Each does one: that which is idle is rung for the second, although nobody comes back.
#[test]
fn two_gifts_race_two_workers() {
    model("crew: two_gifts_race_two_workers", || {
        let crew = Arc::new(Crew::new(2));
        let workers = [worker(&crew, 1), worker(&crew, 1)];
        assert_eq!(crew.give(1, Taker::Idle), Ok(()));
        assert_eq!(crew.give(2, Taker::Idle), Ok(()));
        let mut done: Vec<u32> =
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

/// It lies there where the worker waits, and is in the queue where it does not yet: what the giver wrote
/// before is seen, and it is the worker's from there on.
#[test]
fn what_is_laid_on_a_desk_is_taken_by_its_worker() {
    model("crew: what_is_laid_on_a_desk_is_taken_by_its_worker", || {
        let crew = Arc::new(Crew::new(1));
        let here = crew.clone();
        let worker = thread::spawn(move || {
            let mut seat = here.sit();
            let mut sum = 0;
            for _ in 0..2 {
                let work: Box<UnsafeCell<u32>> = seat.take(0).expect("it is not over");
                // SAFETY: it was given away by whoever wrote it, and this is the one worker.
                sum += work.with_mut(|work| unsafe { std::mem::replace(&mut *work, 0) });
            }
            sum
        });
        for n in [1, 2] {
            let work = Box::new(UnsafeCell::new(0));
            // SAFETY: nobody else has it yet.
            work.with_mut(|work| unsafe { *work = n });
            assert!(crew.give(work, Taker::Rather(0)).is_ok());
        }
        assert_eq!(worker.join().unwrap(), 3);
    });
}

/// Two ask for the same worker: one calls it, and the other finds it at work, or waiting again.
#[test]
fn one_of_two_calls_a_worker() {
    model("crew: one_of_two_calls_a_worker", || {
        let crew = Arc::new(Crew::new(1));
        let worker = worker(&crew, 2);
        let other = crew.clone();
        let other = thread::spawn(move || assert_eq!(other.give(1, Taker::Rather(0)), Ok(())));
        assert_eq!(crew.give(2, Taker::Rather(0)), Ok(()));
        other.join().unwrap();
        let mut done = worker.join().unwrap();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

/// Two wait, and who asks for the one of them is answered by the other where it must be.
#[test]
fn who_does_not_wait_is_stood_in_for() {
    model("crew: who_does_not_wait_is_stood_in_for", || {
        let crew = Arc::new(Crew::new(2));
        let workers = [worker(&crew, 1), worker(&crew, 1)];
        for work in [1, 2] {
            assert_eq!(crew.give(work, Taker::Rather(0)), Ok(()));
        }
        let mut done: Vec<u32> =
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

/// The worker is called by the end or by whoever gives, and what is given is somewhere, once.
#[test]
fn closing_races_a_call() {
    model("crew: closing_races_a_call", || {
        let crew = Arc::new(Crew::new(1));
        let worker = worker(&crew, 2);
        let giver = crew.clone();
        let giver = thread::spawn(move || giver.give(7, Taker::Rather(0)).err());
        let left = crew.close();
        let back = giver.join().unwrap();
        let done = worker.join().unwrap();
        let all: Vec<u32> = left.into_iter().chain(done).chain(back).collect();
        assert_eq!(all, [7]);
    });
}

/// Who had it last is asked first, and nobody where nobody had it.
#[test]
fn work_goes_home() {
    model("crew: work_goes_home", || {
        let crew: Crew<u32> = Crew::new(2);
        let home = Home::new();
        assert_eq!(home.taker(), Taker::Idle);
        let seats = [crew.sit(), crew.sit()];
        for seat in &seats {
            home.is(seat);
            assert_eq!(home.taker(), Taker::Rather(seat.number()));
        }
        assert_ne!(seats[0].number(), seats[1].number());
    });
}

/// A worker puts a piece back for itself, while another one is given.
#[test]
fn a_worker_that_gives_to_itself_races_giving() {
    model("crew: a_worker_that_gives_to_itself_races_giving", || {
        let crew = Arc::new(Crew::new(2));
        assert_eq!(crew.give(1, Taker::Idle), Ok(()));
        let here = crew.clone();
        let worker = thread::spawn(move || {
            let mut seat = here.sit();
            let mut done = Vec::new();
            while done.len() < 3
                && let Some(work) = seat.take(0)
            {
                if work == 1 {
                    assert_eq!(here.give(3, Taker::Giver), Ok(()));
                }
                done.push(work);
            }
            done
        });
        assert_eq!(crew.give(2, Taker::Idle), Ok(()));
        let mut done = worker.join().unwrap();
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3]);
    });
}

#[test]
fn closing_races_going_idle() {
    model("crew: closing_races_going_idle", || {
        let crew = Arc::new(Crew::new(2));
        let workers = [worker(&crew, 1), worker(&crew, 1)];
        assert_eq!(crew.close(), VecDeque::new());
        for worker in workers {
            assert_eq!(worker.join().unwrap(), []);
        }
        assert!(crew.is_closed());
    });
}

/// It comes back, is handed out at the end, or is done: one of them.
#[test]
fn closing_races_giving() {
    model("crew: closing_races_giving", || {
        let crew = Arc::new(Crew::new(2));
        let worker = worker(&crew, 1);
        let back = Arc::new(Mutex::new(None));
        let (giver, came_back) = (crew.clone(), back.clone());
        let giver = thread::spawn(move || {
            *lock(&came_back) = giver.give(7, Taker::Idle).err();
        });
        let left = crew.close();
        giver.join().unwrap();
        let done = worker.join().unwrap();
        let back = *lock(&back);
        let all: Vec<u32> = left.into_iter().chain(done).chain(back).collect();
        assert_eq!(all, [7], "what was given is somewhere, once");
    });
}
