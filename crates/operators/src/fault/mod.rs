//! What becomes of errors, and of ends: recover, try again, repeat.

mod backoff;
mod map_err;
mod on_error_complete;
mod on_error_resume;
mod on_error_return;
mod repeat;
mod repeat_when;
mod repeat_while;
mod retry;
mod retry_after;
mod retry_backoff;
mod retry_when;
mod skip_errors;
pub use backoff::{Backoff, Waits};
pub use map_err::MapErr;
pub use on_error_complete::OnErrorComplete;
pub use on_error_resume::OnErrorResume;
pub use on_error_return::OnErrorReturn;
pub use repeat::Repeat;
pub use repeat_when::RepeatWhen;
pub use repeat_while::RepeatWhile;
pub use retry::Retry;
pub use retry_after::{FailedAttempt, RetryAfter};
pub use retry_backoff::RetryBackoff;
pub use retry_when::RetryWhen;
pub use skip_errors::SkipErrors;
