//! A source that is made when it is first needed.

use millstream_core::{Context, Publisher, Pull, Pulled};

/// A source that is made by its first pull.
pub(crate) struct Late<M, Q> {
    make: Option<M>,
    made: Option<Q>,
    /// Whether to make it although there is no demand.
    eager: bool,
}

impl<M, Q> Late<M, Q> {
    fn get(&mut self) -> &mut Q
    where
        M: FnOnce() -> Option<Q>,
    {
        if let Some(make) = self.make.take() {
            self.made = make();
        }
        self.made.as_mut().unwrap_or_else(|| panic!("a publisher with `PULLS` gives a `Pull`"))
    }
}

/// `f` as a source that is made by its first pull, or by its first look ahead where `eager`.
/// `context` is that of whoever pulls.
pub(crate) fn late<P: Publisher>(
    f: impl FnOnce() -> P + Send + 'static,
    context: Context,
    eager: bool,
) -> impl Pull<Item = P::Item, Error = P::Error> {
    Late { make: Some(move || f().into_pull(context).ok()), made: None, eager }
}

impl<M, Q> Pull for Late<M, Q>
where
    M: FnOnce() -> Option<Q> + Send + 'static,
    Q: Pull,
{
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match &mut self.made {
            Some(made) => made.pull(),
            None => self.get().pull(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        if self.made.is_none() && !self.eager {
            return Pulled::Pending;
        }
        self.get().look_ahead(started)
    }
}
