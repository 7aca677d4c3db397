//! What becomes of errors, and of ends: recover, try again, repeat.

mod map_err;
mod on_error_complete;
mod on_error_resume;
mod on_error_return;
mod repeat;
mod repeat_while;
mod retry;
pub use map_err::MapErr;
pub use on_error_complete::OnErrorComplete;
pub use on_error_resume::OnErrorResume;
pub use on_error_return::OnErrorReturn;
pub use repeat::Repeat;
pub use repeat_while::RepeatWhile;
pub use retry::Retry;
