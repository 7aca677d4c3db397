//! Claims of what waits for a time, or for an answer, all in virtual time.

mod common;
mod schedule;
mod support;

mod adaptive;
mod attempts;
mod debounce;
mod delay;
mod rate;
mod throttle_adaptive;
mod timed_chunks;
mod timing;
