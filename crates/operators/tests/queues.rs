//! Claims of what has a queue or runs on an executor.

mod eager;
mod support;

mod adaptive_prefetch;
mod board;
mod bounds;
mod bulkhead;
mod cause;
mod executors;
mod hot;
mod overflow;
mod stall;
