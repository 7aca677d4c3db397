//! `from_source`: the items of an asynchronous source of the user's own.

use std::fmt;
use std::pin::Pin;

use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;

use crate::shape::polled::{Turns, polled};

/// An asynchronous source: something that is asked for one item at a time, and gives it when it
/// has it. [`from_source`] makes a publisher of it.
///
/// It is written with plain `async fn`:
///
/// ```
/// use millstream::edge::AsyncSource;
///
/// struct Countdown(u32);
///
/// impl AsyncSource for Countdown {
///     type Item = u32;
///     type Error = std::io::Error;
///
///     async fn next(&mut self) -> Result<Option<u32>, std::io::Error> {
///         let Some(less) = self.0.checked_sub(1) else { return Ok(None) };
///         Ok(Some(std::mem::replace(&mut self.0, less)))
///     }
/// }
/// ```
///
/// Where the type of a source must not show, `Box<dyn DynAsyncSource<..>>`
/// ([`BoxAsyncSource`]) holds any of them, and is one itself.
pub trait AsyncSource: Send + 'static {
    /// What it gives.
    type Item: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// The next item, or `None` at the end. Called once per unit of demand, when the future before
    /// was ready; not called again after the end or an error. Dropped in the middle where nobody
    /// wants the item any more: then the source is dropped too.
    ///
    /// # Errors
    /// When the source fails; there are no more items.
    fn next(&mut self)
    -> impl Future<Output = Result<Option<Self::Item>, Self::Error>> + Send + '_;
}

/// An [`AsyncSource`] behind a pointer: every one of them is a `DynAsyncSource`.
///
/// ```
/// use millstream::edge::{AsyncSource, BoxAsyncSource};
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
/// # struct Socket; struct File;
/// # impl AsyncSource for Socket {
/// #     type Item = Vec<u8>; type Error = std::io::Error;
/// #     async fn next(&mut self) -> Result<Option<Vec<u8>>, std::io::Error> { Ok(None) }
/// # }
/// # impl AsyncSource for File {
/// #     type Item = Vec<u8>; type Error = std::io::Error;
/// #     async fn next(&mut self) -> Result<Option<Vec<u8>>, std::io::Error> { Ok(None) }
/// # }
///
/// fn open(name: &str) -> BoxAsyncSource<Vec<u8>, std::io::Error> {
///     if name.contains(':') { Box::new(Socket) } else { Box::new(File) }
/// }
///
/// let executor = CurrentThread::new();
/// let bytes = millstream::from_source(executor.handle(), open("localhost:80"));
/// assert_eq!(executor.run_until(bytes.count())?, 0);
/// # Ok::<(), millstream::Failure<std::io::Error>>(())
/// ```
pub trait DynAsyncSource: Send + 'static {
    /// What it gives.
    type Item: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// [`AsyncSource::next`], in a box.
    fn next_boxed(&mut self) -> NextBoxed<'_, Self::Item, Self::Error>;
}

/// What [`DynAsyncSource::next_boxed`] gives.
pub type NextBoxed<'a, T, E> = Pin<Box<dyn Future<Output = Result<Option<T>, E>> + Send + 'a>>;

/// Any [`AsyncSource`] with these items and this error. One allocation per item.
pub type BoxAsyncSource<T, E> = Box<dyn DynAsyncSource<Item = T, Error = E>>;

impl<S: AsyncSource> DynAsyncSource for S {
    type Item = S::Item;
    type Error = S::Error;

    fn next_boxed(&mut self) -> NextBoxed<'_, S::Item, S::Error> {
        Box::pin(self.next())
    }
}

impl<T: Send + 'static, E: Send + 'static> AsyncSource for BoxAsyncSource<T, E> {
    type Item = T;
    type Error = E;

    fn next(&mut self) -> impl Future<Output = Result<Option<T>, E>> + Send + '_ {
        (**self).next_boxed()
    }
}

impl<T, E> fmt::Debug for dyn DynAsyncSource<Item = T, Error = E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynAsyncSource")
    }
}

/// The items of an [`AsyncSource`], which is driven by a task of `executor`.
///
/// ```text
/// next  ------Ok(a)  ---Ok(b)       --Ok(None)
/// down  ^--r2------a------b------r1--|
/// ```
///
/// # Demand
/// One call of [`next`](AsyncSource::next) for each item asked for, when the one before was sent:
/// one future in flight, and none without demand.
/// # Completion
/// When the source says so, which takes a unit of demand.
/// # Errors
/// When the source says so. A panic in it becomes a fault. When the executor refuses or drops the
/// task, downstream is told [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone).
/// # Cancellation
/// The future in flight is dropped, and the source, when the task runs next.
/// # Bounds
/// Holds the source. Four allocations per subscription, none per item; one per item for a
/// [`BoxAsyncSource`].
///
/// # Examples
/// ```
/// use millstream::edge::AsyncSource;
/// use millstream::executor::CurrentThread;
/// use millstream::prelude::*;
///
/// struct Pages { next: u32 }
///
/// impl AsyncSource for Pages {
///     type Item = String;
///     type Error = String;
///
///     async fn next(&mut self) -> Result<Option<String>, String> {
///         let page = fetch(self.next).await?;
///         self.next += 1;
///         Ok(page)
///     }
/// }
///
/// async fn fetch(page: u32) -> Result<Option<String>, String> {
///     Ok((page < 2).then(|| format!("page {page}")))
/// }
///
/// let executor = CurrentThread::new();
/// let pages = millstream::from_source(executor.handle(), Pages { next: 0 });
/// assert_eq!(executor.run_until(pages.collect::<Vec<_>>())?, ["page 0", "page 1"]);
/// # Ok::<(), millstream::Failure<String>>(())
/// ```
#[doc(alias = "unfoldResourceAsync", alias = "from_async_fn")]
pub fn from_source<X: Executor, A: AsyncSource>(executor: X, source: A) -> FromSource<X, A> {
    FromSource { executor, source }
}

/// The publisher of [`from_source`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct FromSource<X, A> {
    executor: X,
    source: A,
}

crate::opaque_debug::opaque_debug!(FromSource<X, A>);

impl<X: Executor, A: AsyncSource> Publisher for FromSource<X, A> {
    type Item = A::Item;
    type Error = A::Error;

    fn subscribe<S: Subscriber<A::Item, A::Error>>(self, subscriber: S) {
        let next = |mut source: A| async move {
            let item = source.next().await?;
            Ok(item.map(|item| (item, source)))
        };
        polled(&self.executor, Turns::new(self.source, next), subscriber);
    }
}
