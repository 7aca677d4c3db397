//! Only so many items.

mod bulkhead;
#[expect(clippy::module_inception, reason = "a file is named as its operator")]
mod limit;
mod limit_rate;
mod limit_weighted;
mod map_while;
mod take;
mod take_last;
mod take_through;
mod take_while;
pub use bulkhead::{Bulkhead, Permitted};
pub use limit::{Limit, LimitError};
pub use limit_rate::LimitRate;
pub use limit_weighted::LimitWeighted;
pub use map_while::MapWhile;
pub use millstream_blocks::permits::{Acquire, Permit, Permits};
pub use take::Take;
pub use take_last::TakeLast;
pub use take_through::TakeThrough;
pub use take_while::TakeWhile;
mod take_until;
pub use take_until::TakeUntil;
