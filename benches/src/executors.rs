//! The executors that stages and peers run on. They are made once: no peer pays for that.

use std::sync::LazyLock;

use millstream::executor::Pool;
use tokio::runtime::{Builder, Runtime};

/// A tokio runtime with two workers, and timers, as a program has one.
pub static TOKIO: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime can be built")
});

/// Our pool, with two workers.
pub static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(2));

/// Threads of their own, for stages that must not share one.
pub static THREADS: LazyLock<[Pool; 4]> = LazyLock::new(|| std::array::from_fn(|_| Pool::new(1)));

thread_local! {
    /// A tokio runtime without threads of its own.
    static TOKIO_HERE: Runtime =
        Builder::new_current_thread().build().expect("a runtime can be built");
}

/// Calls `f` with the tokio runtime of this thread.
pub fn with_tokio_here<R>(f: impl FnOnce(&Runtime) -> R) -> R {
    TOKIO_HERE.with(f)
}
