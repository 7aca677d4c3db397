//! `AckError`: how a stream with acknowledgement fails.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use millstream_blocks::receipt::{Nack, Stop};

/// How a stream with acknowledgement fails.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AckError<E> {
    /// The stream itself: its source, or a function that can fail.
    Stream(E),
    /// An item was not acknowledged, and what follows it cannot be committed without it.
    Nacked {
        /// Which item of the source, from 0.
        position: u64,
        /// Why.
        nack: Nack,
    },
    /// What was acknowledged could not be committed.
    Commit(Arc<dyn Error + Send + Sync>),
}

impl<E> AckError<E> {
    /// The same, with another error of the stream itself.
    pub fn map<F>(self, f: impl FnOnce(E) -> F) -> AckError<F> {
        match self {
            AckError::Stream(error) => AckError::Stream(f(error)),
            AckError::Nacked { position, nack } => AckError::Nacked { position, nack },
            AckError::Commit(error) => AckError::Commit(error),
        }
    }
}

impl<E> From<Stop> for AckError<E> {
    fn from(stop: Stop) -> AckError<E> {
        match stop {
            Stop::Refused { position, nack } => AckError::Nacked { position, nack },
            Stop::Failed(error) => AckError::Commit(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for AckError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AckError::Stream(error) => error.fmt(f),
            AckError::Nacked { position, nack } => {
                write!(f, "item {position} was not acknowledged: {nack}")
            }
            AckError::Commit(error) => write!(f, "the commit failed: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for AckError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AckError::Stream(error) => error.source(),
            AckError::Nacked { nack: Nack::Refused(reason), .. } => Some(&**reason),
            AckError::Nacked { .. } => None,
            AckError::Commit(error) => Some(&**error),
        }
    }
}
