//! Claims of what passes items on, one upstream and no queue; of sources, and of ends.

mod common;
mod support;

mod awaited;
mod chunk;
mod control;
mod effect;
mod end;
mod fault;
mod filter;
mod in_blocks;
mod in_place;
mod lifecycle;
mod limit;
mod source;
mod transform;

/// The hook of what is not delivered is one for the process: a test that sets it has it alone.
fn hook_alone() -> std::sync::MutexGuard<'static, ()> {
    static HOOK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
