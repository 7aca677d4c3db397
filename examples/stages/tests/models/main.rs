//! Models of the stages, and of their mistakes, each of which must be caught.
//!
//! ```sh
//! RUSTFLAGS="--cfg millstream_loom" cargo test -p millstream-example-stages --test models -- --nocapture
//! ```

mod gate;
mod handoff;
