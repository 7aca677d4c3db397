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
