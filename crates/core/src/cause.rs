//! [`Cause`]: why a stream was cancelled.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a stream was cancelled: whoever is above learns whether it did its work, or whether what
/// is below could not use it.
///
/// A cancellation is not an end: the items that were sent are all that there is to say to
/// downstream. But upstream may have something to decide. A transaction is committed when
/// [no more is needed](Cause::NoMoreNeeded), and rolled back when downstream [failed](Cause::Failed).
///
/// | what happened below | cause |
/// |---|---|
/// | `take`, `first`, an end that has its result; a handle that was dropped | `NoMoreNeeded` |
/// | a stage or an end failed; user code panicked; an executor went away | `Failed` |
/// | [`cancel_because`](crate::Subscription::cancel_because) | what was given |
///
/// ```
/// use millstream_core::Cause;
///
/// assert!(!Cause::default().is_failure());
/// assert!(Cause::Failed.is_failure());
/// let cause = Cause::given("the disk is full");
/// assert!(cause.is_failure());
/// assert_eq!(cause.to_string(), "the disk is full");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Cause {
    /// Downstream has all that it wants, or wants nothing any more.
    #[default]
    NoMoreNeeded,
    /// Something below failed, broke or panicked. What it was is told to who is further down:
    /// an error has one owner.
    Failed,
    /// Whoever cancelled said why.
    Given(Arc<dyn Error + Send + Sync>),
}

impl Cause {
    /// A cause in words, or an error. It is shared, however many stages are told.
    #[must_use]
    pub fn given(why: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
        Cause::Given(Arc::from(why.into()))
    }

    /// Whether it is anything but [`NoMoreNeeded`](Cause::NoMoreNeeded).
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !matches!(self, Cause::NoMoreNeeded)
    }

    /// What was given.
    #[must_use]
    pub fn reason(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match self {
            Cause::Given(why) => Some(&**why),
            _ => None,
        }
    }
}

/// Two that were given are equal where they are clones of one another.
impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        match (self, other) {
            (Cause::NoMoreNeeded, Cause::NoMoreNeeded) | (Cause::Failed, Cause::Failed) => true,
            (Cause::Given(one), Cause::Given(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoMoreNeeded => f.write_str("no more was needed"),
            Cause::Failed => f.write_str("downstream failed"),
            Cause::Given(why) => why.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_equal_to_its_clones_alone() {
        let given = Cause::given("why");
        assert_eq!(given, given.clone());
        assert_ne!(given, Cause::given("why"));
        assert_ne!(Cause::NoMoreNeeded, Cause::Failed);
        assert_ne!(given, Cause::Failed);
    }

    #[test]
    fn an_error_that_was_given_can_be_had_back() {
        let cause = Cause::given(std::fmt::Error);
        let reason: &(dyn Error + 'static) = cause.reason().unwrap();
        assert!(reason.is::<std::fmt::Error>());
        assert!(Cause::Failed.reason().is_none());
    }
}
