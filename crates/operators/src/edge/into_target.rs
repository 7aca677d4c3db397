//! `into_target`: the items into an asynchronous target of the user's own.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use millstream_core::Publisher;

use crate::shape::delivery::Delivery;

/// An asynchronous target: something that takes one item at a time, and says when it has.
/// [`PublisherExt::into_target`](crate::PublisherExt::into_target) sends a publisher's items there.
///
/// It is written with plain `async fn`:
///
/// ```
/// use millstream::edge::AsyncTarget;
/// # struct Database; struct Row;
/// # impl Database {
/// #     async fn insert(&mut self, _: Row) -> Result<(), std::io::Error> { Ok(()) }
/// #     async fn commit(self) -> Result<(), std::io::Error> { Ok(()) }
/// # }
///
/// struct Table { database: Database, rows: u64 }
///
/// impl AsyncTarget<Row> for Table {
///     type Output = u64;
///     type Error = std::io::Error;
///
///     async fn send(&mut self, row: Row) -> Result<(), std::io::Error> {
///         self.database.insert(row).await?;
///         self.rows += 1;
///         Ok(())
///     }
///
///     async fn close(self) -> Result<u64, std::io::Error> {
///         self.database.commit().await?;
///         Ok(self.rows)
///     }
/// }
/// ```
///
/// One of its futures is in flight at a time, and but for [`ready`](AsyncTarget::ready) none is
/// dropped in the middle unless the whole target is: because nobody awaits the end any more, or the
/// pipeline broke. For batches, let the
/// items be batches: `chunks(100).into_target(..)`.
///
/// Where the type of a target must not show, `Box<dyn DynAsyncTarget<..>>`
/// ([`BoxAsyncTarget`]) holds any of them, and is one itself.
pub trait AsyncTarget<T: Send + 'static>: Send + 'static {
    /// What comes of it: a number of rows, a receipt, nothing.
    type Output: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// Waits until there is room for an item. None is taken from upstream before. The end needs no
    /// room: where upstream is over, this is dropped in the middle.
    ///
    /// # Errors
    /// When the target fails; it is dropped.
    fn ready(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Takes an item.
    ///
    /// # Errors
    /// As [`ready`](AsyncTarget::ready).
    fn send(&mut self, item: T) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Called when upstream has nothing for now, and something was sent since the last time.
    ///
    /// # Errors
    /// As [`ready`](AsyncTarget::ready).
    fn flush(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Upstream is complete. Where it fails, or the pipeline breaks, or nobody awaits the end any
    /// more, the target is dropped instead: what is unfinished must not look finished.
    ///
    /// # Errors
    /// When it cannot be finished.
    fn close(self) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// An [`AsyncTarget`] behind a pointer: every one of them is a `DynAsyncTarget`.
pub trait DynAsyncTarget<T: Send + 'static>: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// [`AsyncTarget::ready`], in a box.
    fn ready_boxed(&mut self) -> Boxed<'_, (), Self::Error>;

    /// [`AsyncTarget::send`], in a box.
    fn send_boxed(&mut self, item: T) -> Boxed<'_, (), Self::Error>;

    /// [`AsyncTarget::flush`], in a box.
    fn flush_boxed(&mut self) -> Boxed<'_, (), Self::Error>;

    /// [`AsyncTarget::close`], in a box.
    fn close_boxed(self: Box<Self>) -> Boxed<'static, Self::Output, Self::Error>;
}

/// What the methods of [`DynAsyncTarget`] give.
pub type Boxed<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Any [`AsyncTarget`] for these items with this outcome. Two allocations per item.
///
/// ```
/// use millstream::edge::{AsyncTarget, BoxAsyncTarget};
/// use millstream::prelude::*;
///
/// struct Count(u64);
///
/// impl AsyncTarget<String> for Count {
///     type Output = u64;
///     type Error = std::io::Error;
///
///     async fn send(&mut self, _: String) -> Result<(), std::io::Error> {
///         self.0 += 1;
///         Ok(())
///     }
///
///     async fn close(self) -> Result<u64, std::io::Error> {
///         Ok(self.0)
///     }
/// }
///
/// let target: BoxAsyncTarget<String, u64, std::io::Error> = Box::new(Count(0));
/// let items = millstream::from_iter(["a", "b"]).map_into::<String>();
/// assert_eq!(items.into_target(target).block().unwrap(), 2);
/// ```
pub type BoxAsyncTarget<T, O, E> = Box<dyn DynAsyncTarget<T, Output = O, Error = E>>;

impl<T: Send + 'static, A: AsyncTarget<T>> DynAsyncTarget<T> for A {
    type Output = A::Output;
    type Error = A::Error;

    fn ready_boxed(&mut self) -> Boxed<'_, (), A::Error> {
        Box::pin(self.ready())
    }

    fn send_boxed(&mut self, item: T) -> Boxed<'_, (), A::Error> {
        Box::pin(self.send(item))
    }

    fn flush_boxed(&mut self) -> Boxed<'_, (), A::Error> {
        Box::pin(self.flush())
    }

    fn close_boxed(self: Box<Self>) -> Boxed<'static, A::Output, A::Error> {
        Box::pin((*self).close())
    }
}

impl<T, O, E> AsyncTarget<T> for BoxAsyncTarget<T, O, E>
where
    T: Send + 'static,
    O: Send + 'static,
    E: Send + 'static,
{
    type Output = O;
    type Error = E;

    fn ready(&mut self) -> impl Future<Output = Result<(), E>> + Send {
        (**self).ready_boxed()
    }

    fn send(&mut self, item: T) -> impl Future<Output = Result<(), E>> + Send {
        (**self).send_boxed(item)
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), E>> + Send {
        (**self).flush_boxed()
    }

    fn close(self) -> impl Future<Output = Result<O, E>> + Send {
        self.close_boxed()
    }
}

impl<T, O, E> fmt::Debug for dyn DynAsyncTarget<T, Output = O, Error = E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynAsyncTarget")
    }
}

/// Which side of a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryError<E, G> {
    /// Upstream did. What it sent before was given to the target, which was flushed and dropped.
    Upstream(E),
    /// The target did. Upstream was cancelled.
    Target(G),
}

impl<E: fmt::Display, G: fmt::Display> fmt::Display for DeliveryError<E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeliveryError::Upstream(error) => error.fmt(f),
            DeliveryError::Target(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static, G: Error + 'static> Error for DeliveryError<E, G> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DeliveryError::Upstream(error) => error.source(),
            DeliveryError::Target(error) => error.source(),
        }
    }
}

/// The items into an [`AsyncTarget`]; gives what comes of it when upstream is complete:
/// [`PublisherExt::into_target`](crate::PublisherExt::into_target).
///
/// ```text
/// up      r1--1--r1--2--r1-----|
/// target  ready send ready send ready flush close
/// gives                                       Ok(output)
/// ```
///
/// It is driven by whoever awaits it.
///
/// # Demand
/// One at a time, the first when the target is ready first: while the target has one item, upstream
/// may send another, which waits. [`prefetch`](crate::PublisherExt::prefetch) makes it more. A
/// synchronous upstream is pulled when the target is ready.
/// # Completion
/// The target is closed, and what comes of that is the result.
/// # Errors
/// [`DeliveryError`] says which side. When upstream fails, the target is flushed and dropped, not
/// closed; when the target fails, upstream is cancelled. A fault does not wait for the target. A
/// panic in the target is a fault.
/// # Cancellation
/// Dropping the end drops the future in flight and the target, and cancels upstream.
/// # Bounds
/// One item waits, and one is in the hands of the target. A few allocations; none per item.
///
/// # Examples
/// ```
/// use std::io;
/// use millstream::edge::AsyncTarget;
/// use millstream::prelude::*;
///
/// struct Shelf(Vec<u64>);
///
/// impl AsyncTarget<u64> for Shelf {
///     type Output = usize;
///     type Error = io::Error;
///
///     async fn send(&mut self, item: u64) -> Result<(), io::Error> {
///         self.0.push(item);
///         Ok(())
///     }
///
///     async fn close(self) -> Result<usize, io::Error> {
///         Ok(self.0.len())
///     }
/// }
///
/// let stored = millstream::range(0..5).into_target(Shelf(Vec::new()));
/// assert_eq!(futures::executor::block_on(stored).unwrap(), 5);
/// ```
pub type IntoTarget<P, A> = Delivery<
    <A as AsyncTarget<<P as Publisher>::Item>>::Output,
    DeliveryError<<P as Publisher>::Error, <A as AsyncTarget<<P as Publisher>::Item>>::Error>,
>;
