//! The executors that stages and peers run on. They are made once: no peer pays for that.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crossbeam_channel::{Sender, unbounded};
use millstream::executor::{Executor, Refused, Task};
use tokio::runtime::{Builder, Runtime};

/// A tokio runtime with two workers.
pub static TOKIO: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).build().expect("a runtime can be built")
});

thread_local! {
    /// A tokio runtime without threads of its own.
    static TOKIO_HERE: Runtime =
        Builder::new_current_thread().build().expect("a runtime can be built");
}

/// Calls `f` with the tokio runtime of this thread.
pub fn with_tokio_here<R>(f: impl FnOnce(&Runtime) -> R) -> R {
    TOKIO_HERE.with(f)
}

/// Runs stages on a tokio runtime.
#[derive(Debug, Clone)]
pub struct OnTokio(pub tokio::runtime::Handle);

impl Executor for OnTokio {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.0.spawn(task);
        Ok(())
    }
}

/// One thread that runs stages, and spins before it sleeps.
#[derive(Debug, Clone)]
pub struct Worker(Sender<Arc<Job>>);

/// Threads for the stages of a pipeline.
pub static WORKERS: LazyLock<[Worker; 4]> =
    LazyLock::new(|| std::array::from_fn(|_| Worker::new()));

#[derive(Debug)]
struct Job {
    task: Mutex<Option<Opaque>>,
    queued: AtomicBool,
    queue: Sender<Arc<Job>>,
}

struct Opaque(Task);

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let _closed = self.queue.send(self.clone());
        }
    }
}

impl Worker {
    fn new() -> Worker {
        let (queue, jobs) = unbounded::<Arc<Job>>();
        std::thread::spawn(move || {
            for job in jobs {
                job.queued.swap(false, Ordering::AcqRel);
                let waker = Waker::from(job.clone());
                let mut task = job.task.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Opaque(future)) = &mut *task
                    && let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    *task = None;
                }
            }
        });
        Worker(queue)
    }
}

impl Executor for Worker {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let job = Arc::new(Job {
            task: Mutex::new(Some(Opaque(task))),
            queued: AtomicBool::new(true),
            queue: self.0.clone(),
        });
        let _closed = self.0.send(job);
        Ok(())
    }
}
