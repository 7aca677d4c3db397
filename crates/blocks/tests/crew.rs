//! Models of a crew: each piece of work is done once, whoever is idle when it is given, and after
//! the end nobody waits and nothing is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_blocks::crew::{Crew, Taker};
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
            assert!(crew.give(work, Taker::Idle).is_ok());
        }
        assert_eq!(worker.join().unwrap(), 3);
    });
}

/// Two wait, and the one that went idle first is still known when the other one was rung.
#[test]
fn who_went_idle_first_is_rung_second() {
    model("crew: who_went_idle_first_is_rung_second", || {
        let crew = Arc::new(Crew::new(2));
        let workers = [worker(&crew, 2), worker(&crew, 2)];
        for work in [1, 2] {
            assert_eq!(crew.give(work, Taker::Idle), Ok(()));
        }
        let left = crew.close();
        let done = workers.map(|worker| worker.join().unwrap());
        let mut all: Vec<u32> = left.into_iter().chain(done.into_iter().flatten()).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2], "each once, and nobody waits after the end");
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
