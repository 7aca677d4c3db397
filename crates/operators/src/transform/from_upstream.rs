//! What becomes of upstream's error where a stage adds errors of its own.

use std::convert::Infallible;

/// An error type of a stage that errors of type `E` from upstream fit into: the same type, or
/// any type where upstream never fails.
///
/// Nothing is converted, so that no error changes unseen: where the types differ, `map_err`
/// comes before the stage. `How` is [`Same`] or [`Never`], and is inferred.
#[diagnostic::on_unimplemented(
    message = "errors of type `{E}` from upstream do not fit into `{Self}`",
    note = "make them the same type with `map_err` before this stage"
)]
pub trait FromUpstream<E, How> {
    /// The error of upstream as one of the stage.
    fn from_upstream(error: E) -> Self;
}

/// Upstream's error has the same type. See [`FromUpstream`].
#[derive(Debug, Clone, Copy)]
pub enum Same {}

/// Upstream never fails. See [`FromUpstream`].
#[derive(Debug, Clone, Copy)]
pub enum Never {}

impl<E> FromUpstream<E, Same> for E {
    fn from_upstream(error: E) -> E {
        error
    }
}

impl<G> FromUpstream<Infallible, Never> for G {
    fn from_upstream(error: Infallible) -> G {
        match error {}
    }
}
