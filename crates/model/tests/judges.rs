//! The judges, judged: what is wrong is told, in a model and by its oracle.

#[cfg(not(millstream_loom))]
mod oracle {
    use std::sync::Arc;

    use millstream::{
        ActiveSubscriber, Demand, End, More, Publisher, Subscriber, Subscription, Upstream,
    };
    use millstream_model::{Error, Oracle, Signal, Token, all, late};
    use millstream_testkit::{Breach, Script, ScriptedPublisher};

    /// A publisher of two items that breaks the protocol, subscribed to.
    fn breaking(breach: Breach) -> (Oracle, ScriptedPublisher<Token, Error>) {
        let oracle = Oracle::new();
        let script = Script::items([oracle.token(0), oracle.token(1)]).then_complete();
        let publisher = ScriptedPublisher::playing(script).breaking(breach);
        publisher.clone().subscribe(oracle.probe(|_| More::NONE));
        (oracle, publisher)
    }

    #[test]
    #[should_panic(expected = "an item came without demand: [Item(0), Item(1), Unasked, Complete]")]
    fn an_item_without_demand_is_told() {
        let (oracle, _publisher) = breaking(Breach::OneTooMany);
        oracle.request(1);
        oracle.finish();
    }

    #[test]
    #[should_panic(expected = "still alive at the end")]
    fn a_subscriber_that_is_kept_is_told() {
        let (oracle, _publisher) = breaking(Breach::KeepsSubscriber);
        oracle.finish();
    }

    #[test]
    #[should_panic(expected = "the probe was given no subscription")]
    fn a_probe_without_a_subscription_is_told() {
        let (oracle, _publisher) = breaking(Breach::NeverSubscribes);
        oracle.request(1);
    }

    #[test]
    #[should_panic(expected = "the stream is still held at the end")]
    fn a_stream_that_is_held_is_told() {
        struct Idle;
        impl Upstream for Idle {
            fn request(&self, _: Demand) {}
            fn cancel(&self) {}
        }
        let (oracle, upstream) = (Oracle::new(), Arc::new(Idle));
        let active = oracle.probe(|_| More::NONE).on_subscribe(Subscription::new(upstream.clone()));
        drop(active.on_end(End::Completed));
        oracle.finish();
        drop(upstream);
    }

    #[test]
    fn what_is_kept_is_counted() {
        let oracle = Oracle::new();
        let (kept, items) = (oracle.token(7), oracle.items(0..3));
        assert_eq!(oracle.count(), 2);
        drop((kept, items));
        assert_eq!(oracle.count(), 0);
    }

    #[test]
    fn a_log_is_that_of_the_stream() {
        let oracle = Oracle::new();
        let (source, start) = late(millstream::from_pull(oracle.items(0..3)));
        source.subscribe(oracle.probe(|n| if n < 2 { More::ONE } else { More::NONE }));
        start.go();
        assert_eq!(oracle.log(), None);
        oracle.request(1);
        assert_eq!(oracle.finish(), all(0..3)[..2]);
        assert_eq!(oracle.log(), Some(vec![Signal::Item(0), Signal::Item(1)]));
    }
}

#[cfg(millstream_loom)]
mod checker {
    use std::sync::Arc;

    use millstream_model::sync::{AtomicUsize, Ordering};
    use millstream_model::{fails, model, run, thread};

    /// Two threads add to a number in two steps.
    fn a_lost_update() {
        let number = Arc::new(AtomicUsize::new(0));
        let add = |number: &AtomicUsize| {
            number.store(number.load(Ordering::Acquire) + 1, Ordering::Release);
        };
        let other = number.clone();
        let adding = thread::spawn(move || add(&other));
        add(&number);
        adding.join().unwrap();
        assert_eq!(number.load(Ordering::Acquire), 2, "an update is lost");
    }

    #[test]
    fn a_race_is_caught() {
        fails("judges: a_race_is_caught", "an update is lost", a_lost_update);
    }

    /// The task is never woken.
    #[test]
    fn a_task_that_nobody_wakes_is_caught() {
        fails("judges: a_task_that_nobody_wakes_is_caught", "deadlock", || {
            run(Some(std::future::pending()));
        });
    }

    /// A failure that lets destructors meet a poisoned lock ends the process.
    #[test]
    fn a_failure_that_ends_the_process_is_caught() {
        use millstream_model::sync::{Mutex, lock};

        struct Counted(Arc<Mutex<u32>>);
        impl Drop for Counted {
            fn drop(&mut self) {
                *lock(&self.0) += 1;
            }
        }
        fails("judges: a_failure_that_ends_the_process_is_caught", "one has gone", || {
            let gone = Arc::new(Mutex::new(0));
            let (here, there) = (Counted(gone.clone()), Counted(gone.clone()));
            let going = thread::spawn(move || drop(there));
            assert_eq!(*lock(&gone), 0, "one has gone");
            going.join().unwrap();
            drop(here);
        });
    }

    #[test]
    #[should_panic(expected = "no schedule fails")]
    fn a_model_that_passes_is_no_failure() {
        fails("judges: a_model_that_passes_is_no_failure", "", || {
            let number = Arc::new(AtomicUsize::new(0));
            let other = number.clone();
            let adding = thread::spawn(move || other.fetch_add(1, Ordering::AcqRel));
            number.fetch_add(1, Ordering::AcqRel);
            adding.join().unwrap();
            assert_eq!(number.load(Ordering::Acquire), 2);
        });
    }

    #[test]
    #[should_panic(expected = "does not say `deadlock`")]
    fn another_failure_is_not_the_one_that_is_expected() {
        let name = "judges: another_failure_is_not_the_one_that_is_expected";
        fails(name, "deadlock", a_lost_update);
    }

    /// Run by `an_execution_is_told`, as a process of its own.
    #[test]
    #[ignore = "fails, to be looked at"]
    fn told() {
        model("judges: told", a_lost_update);
    }

    /// The number that a failure says is the execution that is told, in the order of what was done.
    #[test]
    fn an_execution_is_told() {
        let ran = |told: Option<&str>| {
            let mut this = std::process::Command::new(std::env::current_exe().unwrap());
            this.args([
                "checker::told",
                "--exact",
                "--nocapture",
                "--include-ignored",
                "--test-threads=1",
            ]);
            this.envs(told.map(|number| ("MILLSTREAM_EXECUTION", number)));
            let ran = this.output().unwrap();
            assert!(!ran.status.success());
            [ran.stdout, ran.stderr].map(|said| String::from_utf8(said).unwrap())
        };
        let [_, said] = ran(None);
        let (_, number) = said.split_once("model judges: told: this was execution ").unwrap();
        let (number, _) = number.split_once('.').unwrap();
        let [told, said] = ran(Some(number));
        assert!(said.contains("an update is lost"), "{said}");
        assert!(!said.contains("this was execution"), "it is the one that was asked for: {said}");
        let steps: Vec<_> = told.lines().filter(|line| line.starts_with("    thread ")).collect();
        let done: Vec<_> =
            steps.iter().map(|step| step.split_whitespace().nth(2).unwrap()).collect();
        let mut sorted = done.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["load:", "load:", "load:", "store", "store"], "{told}");
        assert!(steps.iter().all(|step| step.contains("judges.rs:")), "{told}");
        let threads = |n: &str| steps.iter().filter(|step| step.contains(n)).count();
        assert_eq!((threads("thread 0"), threads("thread 1")), (3, 2), "{told}");
    }
}
