//! `into_publisher`: the result of an end as the one item of a publisher.

use millstream_core::{More, Pulled};

use crate::shape::end::Gather;
use crate::shape::stage::{Books, Emit, Step};

/// The result of an end as the one item of a publisher: [`Run::into_publisher`](crate::shape::end::Run::into_publisher).
///
/// ```text
///          fold(0, add).into_publisher()
/// up    --1--2--3--|
/// down  -----------6|
///
///          first().into_publisher()
/// up    --1!
/// down  --Some(1)|
/// ```
///
/// For what is done with each of many streams, as the groups of a `group_by` or the windows of a
/// `window`: it runs where they run, without a task of its own.
///
/// # Demand
/// What the end asks for, once the result was asked for; nothing before that.
/// # Completion
/// Behind the result, which comes when upstream is complete, or when the end knows it: then upstream
/// is cancelled.
/// # Errors
/// Those of the end: as a rule upstream's, and none that it takes for a result.
/// # Cancellation
/// What was gathered is dropped.
/// # Bounds
/// What the end holds, as [`Collect`](crate::end::Collect) all items.
/// # Panics
/// When the end was polled before.
///
/// # Examples
/// ```
/// use millstream::fan_out::Stalled;
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["ash", "birch", "oak", "elder", "yew"]);
/// let groups = words
///     .group_by(8, 16, Stalled::Fail, |word| word.len())
///     .flat_map_unordered(8, 16, |group| group.collect::<Vec<_>>().into_publisher());
/// let mut groups = groups.collect::<Vec<_>>().block()?;
/// groups.sort();
/// assert_eq!(groups, [vec!["ash", "oak", "yew"], vec!["birch", "elder"]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct IntoPublisher<G> {
    /// Gone where it has given its result.
    gather: Option<G>,
    asked: bool,
    /// What the end wants beyond what it asked for in the beginning.
    more: More,
}

impl<G> IntoPublisher<G> {
    pub(crate) fn new(gather: G) -> IntoPublisher<G> {
        IntoPublisher { gather: Some(gather), asked: false, more: More::NONE }
    }

    fn finish<T, E>(&mut self) -> Option<Result<G::Output, G::Error>>
    where
        G: Gather<T, E>,
    {
        self.gather.take().map(Gather::finish)
    }
}

crate::opaque_debug::opaque_debug!(IntoPublisher<G>);

impl<T, E, G> Step<T, E> for IntoPublisher<G>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Gather<T, E>,
{
    type Item = G::Output;
    type Error = G::Error;
    type Books = Books<G::Error>;
    const HOLDS: bool = true;

    #[inline]
    fn next(&mut self, item: T) -> Emit<G::Output, T, G::Error> {
        let Some(gather) = &mut self.gather else { return Emit::Stop(item) };
        let more = gather.next(item);
        if more.is_cancel() {
            return match self.finish() {
                Some(Ok(result)) => Emit::Last(result),
                Some(Err(error)) => Emit::Error(error),
                None => Emit::Complete,
            };
        }
        if more == More::NONE {
            return Emit::Keep;
        }
        self.more = more;
        Emit::Ready(None)
    }

    fn demand(&mut self, more: More) -> More {
        let wanted = std::mem::replace(&mut self.more, More::NONE);
        if self.asked || more == More::NONE {
            return wanted;
        }
        self.asked = true;
        self.gather.as_ref().map_or(wanted, |gather| More::from(gather.demand()))
    }

    fn complete(&mut self) -> Pulled<G::Output, G::Error> {
        match self.finish() {
            Some(Ok(result)) => Pulled::Item(result),
            Some(Err(error)) => Pulled::Error(error),
            None => Pulled::Complete,
        }
    }

    fn error(&mut self, error: E) -> Pulled<G::Output, G::Error> {
        match self.gather.take().map(|gather| gather.error(error)) {
            Some(Ok(result)) => Pulled::Item(result),
            Some(Err(error)) => Pulled::Error(error),
            None => Pulled::Complete,
        }
    }
}
