//! Ends are awaited in tasks that move between threads, whatever lifetimes their items name.
//!
//! Inside of an `async` block the compiler forgets that a lifetime is `'static`. A type that looks
//! something up by the items of a publisher is then not `Send` in its eyes, and the whole task
//! cannot be spawned; the tests are that this compiles.

use std::convert::Infallible;

use millstream::edge::AsyncTarget;
use millstream::executor::CurrentThread;
use millstream::prelude::*;

type Item = Result<&'static str, &'static str>;

fn items() -> impl Publisher<Item = Item, Error = Infallible> {
    millstream::from_iter(["a", "b"]).map(Ok::<_, &'static str>)
}

/// Runs `work` as a task.
#[track_caller]
fn in_a_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    use millstream::executor::Executor;
    let executor = CurrentThread::new();
    let (send, receive) = std::sync::mpsc::channel();
    executor
        .handle()
        .spawn(Box::pin(async move {
            let _ = send.send(work.await);
        }))
        .unwrap();
    executor.run_until_idle();
    receive.try_recv().expect("the task is over")
}

#[test]
fn an_end_is_awaited_in_a_task() {
    let all = in_a_task(async { items().collect::<Vec<_>>().await.unwrap() });
    assert_eq!(all, [Ok("a"), Ok("b")]);
    let boxed = items().boxed();
    let all = in_a_task(async move {
        let end = boxed.fold(String::new(), |all, item: Item| all + item.unwrap());
        end.await.unwrap()
    });
    assert_eq!(all, "ab");
}

#[test]
fn a_cursor_is_awaited_in_a_task() {
    let all = in_a_task(async {
        let (mut cursor, mut all) = (items().cursor(), Vec::new());
        while let Some(item) = cursor.next().await.unwrap() {
            all.push(item);
        }
        all
    });
    assert_eq!(all, [Ok("a"), Ok("b")]);
}

#[test]
fn a_target_is_awaited_in_a_task() {
    struct Shelf(Vec<Item>);

    impl AsyncTarget<Item> for Shelf {
        type Output = Vec<Item>;
        type Error = &'static str;

        async fn send(&mut self, item: Item) -> Result<(), &'static str> {
            self.0.push(item);
            Ok(())
        }

        async fn close(self) -> Result<Vec<Item>, &'static str> {
            Ok(self.0)
        }
    }

    let all = in_a_task(async { items().into_target(Shelf(Vec::new())).await.unwrap() });
    assert_eq!(all, [Ok("a"), Ok("b")]);
}

#[cfg(feature = "futures")]
#[test]
fn a_stream_is_awaited_in_a_task() {
    use futures::StreamExt;

    let all = in_a_task(async {
        let (mut stream, mut all) = (items().into_stream(1).or_panic(), Vec::new());
        while let Some(item) = stream.next().await {
            all.push(item);
        }
        all
    });
    assert_eq!(all, [Ok("a"), Ok("b")]);
}
