//! Models of a crew: each piece of work is done once, whoever is idle when it is given, and after
//! the end nobody waits and nothing is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_blocks::alarm::Alarm;
use millstream_blocks::crew::{Crew, Taker};
use millstream_sync::{Mutex, lock, model, thread};

/// A worker, which does `most` pieces at most, and says which.
fn worker(crew: &Arc<Crew<u32>>, most: usize) -> thread::JoinHandle<Vec<u32>> {
    let crew = crew.clone();
    thread::spawn(move || {
        let alarm = Arc::new(Alarm::new());
        let mut done = Vec::new();
        while done.len() < most
            && let Some(work) = crew.take(&alarm, 0)
        {
            done.push(work);
        }
        done
    })
}

#[test]
fn giving_races_going_idle() {
    model("crew: giving_races_going_idle", || {
        let crew = Arc::new(Crew::new());
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
        let crew = Arc::new(Crew::new());
        let workers = [worker(&crew, 1), worker(&crew, 1)];
        assert_eq!(crew.give(1, Taker::Idle), Ok(()));
        assert_eq!(crew.give(2, Taker::Idle), Ok(()));
        let mut done: Vec<u32> =
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

/// A worker puts a piece back for itself, while another one is given.
#[test]
fn a_worker_that_gives_to_itself_races_giving() {
    model("crew: a_worker_that_gives_to_itself_races_giving", || {
        let crew = Arc::new(Crew::new());
        assert_eq!(crew.give(1, Taker::Idle), Ok(()));
        let here = crew.clone();
        let worker = thread::spawn(move || {
            let alarm = Arc::new(Alarm::new());
            let mut done = Vec::new();
            while done.len() < 3
                && let Some(work) = here.take(&alarm, 0)
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
        let crew = Arc::new(Crew::new());
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
        let crew = Arc::new(Crew::new());
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
