//! What reaches nobody, as events of `tracing`.

use millstream_core::{Undelivered, on_undelivered};

/// From here on, errors and faults that no subscriber can be told of are `tracing` events at the
/// level `ERROR`, target `millstream`.
///
/// It sets the hook of [`on_undelivered`], so one or the other is in force, whichever was called
/// last.
pub fn trace_undelivered() {
    on_undelivered(|undelivered| match undelivered {
        Undelivered::Fault(fault) => {
            tracing::error!(target: "millstream", %fault, "a fault reached nobody");
        }
        Undelivered::Error(error) => {
            tracing::error!(target: "millstream", error, "an error reached nobody");
        }
        other => tracing::error!(target: "millstream", ?other, "something reached nobody"),
    });
}
