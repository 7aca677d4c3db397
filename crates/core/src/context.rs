//! [`Context`]: what a subscriber tells those upstream about its surroundings.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a subscriber tells those upstream of it about its surroundings.
///
/// It travels up while a pipeline is subscribed to, from the end to each stage and source, and each
/// stage may add to it on the way. Where nothing is set it is nothing: no allocation, and a clone
/// copies a word.
///
/// | what | set by | used by |
/// |---|---|---|
/// | [`discards`](Context::discards) | `on_discard` | whoever takes an item and never delivers it |
/// | [`board`](Context::board) | `observed` | a boundary, to enter itself |
/// | [`name`](Context::name) | `named` | the nearest boundary upstream, which does not pass it on |
/// | [`tags`](Context::tags) | `tag` | likewise |
/// | [`host`](Context::host) | whoever holds a publisher in place | a [`Pull`](crate::Pull) that others fill, to tell of news |
/// | [`place`](Context::place) | likewise, where it holds many | the same, to tell whose news they are |
///
/// ```
/// use millstream_core::{Context, Discards};
///
/// let context = Context::default().with_name("parse");
/// assert_eq!(context.name(), Some("parse"));
/// assert_eq!(context.upstream().name(), None);
///
/// let tagged = context.clone().with_tag("shard", "7").with_tag("table", "users");
/// assert_eq!(tagged.tags(), [("table".into(), "users".into()), ("shard".into(), "7".into())]);
/// assert!(tagged.upstream().tags().is_empty());
///
/// let hosted = context.upstream().with_host(7_u32);
/// assert_eq!(hosted.host(), Some(&7_u32));
/// assert_eq!(hosted.upstream().host::<u32>(), None);
///
/// let (first, second) = (hosted.clone().at(0), hosted.at(1));
/// assert_eq!((first.place(), second.place()), (Some(0), Some(1)));
/// assert_eq!(second.upstream().place(), None);
///
/// let context = context.with_discards(Discards::new(|n: u32| println!("{n} is lost"), Discards::default()));
/// assert_eq!(context.name(), Some("parse"));
/// assert!(!context.discards().is_none());
/// ```
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Surroundings>>);

/// A key and its value.
pub type KeyValue = (Cow<'static, str>, Cow<'static, str>);

#[derive(Clone, Default)]
struct Surroundings {
    discards: Discards,
    board: Option<Arc<dyn Any + Send + Sync>>,
    name: Option<Cow<'static, str>>,
    tags: Vec<KeyValue>,
    host: Option<Arc<dyn Any + Send + Sync>>,
    place: Option<usize>,
}

static NOBODY: Discards = Discards(None);

impl Context {
    /// Who is told of items that are taken and never delivered.
    #[inline]
    #[must_use]
    pub fn discards(&self) -> &Discards {
        self.0.as_ref().map_or(&NOBODY, |context| &context.discards)
    }

    /// Where boundaries enter themselves, if there is a board, and it is of type `B`. This crate
    /// knows no board: it carries whatever it is given.
    #[must_use]
    pub fn board<B: Any>(&self) -> Option<&B> {
        self.0.as_ref()?.board.as_ref()?.downcast_ref()
    }

    /// The name for the nearest boundary upstream.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref()?.name.as_deref()
    }

    /// Keys and values for the nearest boundary upstream, each key once: those that were set last
    /// come first.
    #[must_use]
    pub fn tags(&self) -> &[KeyValue] {
        self.0.as_ref().map_or(&[], |context| &context.tags)
    }

    /// Whoever pulls and is told when there is news, if it is of type `H`: for
    /// [`into_pull`](crate::Publisher::into_pull) of publishers that are
    /// [`HOSTED`](crate::Publisher::HOSTED). This crate knows no host: it carries whatever it is given.
    #[must_use]
    pub fn host<H: Any>(&self) -> Option<&H> {
        self.0.as_ref()?.host.as_ref()?.downcast_ref()
    }

    /// The number of the place in which the [host](Context::host) holds the publisher, if it has many
    /// and one of them is told of news for all.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        self.0.as_ref()?.place
    }

    /// The same, with others to tell of discarded items.
    #[must_use]
    pub fn with_discards(self, discards: Discards) -> Context {
        self.with(|context| context.discards = discards)
    }

    /// The same, with another board.
    #[must_use]
    pub fn with_board<B: Any + Send + Sync>(self, board: B) -> Context {
        self.with(|context| context.board = Some(Arc::new(board)))
    }

    /// The same, with another name for the nearest boundary upstream.
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Context {
        self.with(|context| context.name = Some(name.into()))
    }

    /// The same, with another value of `key` for the nearest boundary upstream.
    #[must_use]
    pub fn with_tag(
        self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Context {
        let (key, value) = (key.into(), value.into());
        self.with(|context| {
            context.tags.retain(|(other, _)| *other != key);
            context.tags.insert(0, (key, value));
        })
    }

    /// The same, with a host that pulls, and goes on pulling when it is told of news.
    #[must_use]
    pub fn with_host<H: Any + Send + Sync>(self, host: H) -> Context {
        self.with(|context| context.host = Some(Arc::new(host)))
    }

    /// The same, in that place of the host.
    #[must_use]
    pub fn at(self, place: usize) -> Context {
        self.with(|context| context.place = Some(place))
    }

    /// What a boundary that has taken its name and tags, and is a host of its own, passes on.
    #[inline]
    #[must_use]
    pub fn upstream(&self) -> Context {
        if self.0.is_none() { Context(None) } else { self.passed_on() }
    }

    fn passed_on(&self) -> Context {
        match &self.0 {
            Some(context)
                if context.name.is_some() || context.host.is_some() || !context.tags.is_empty() =>
            {
                self.clone().with(|context| {
                    (context.name, context.host, context.place) = (None, None, None);
                    context.tags.clear();
                })
            }
            _ => self.clone(),
        }
    }

    fn with(self, change: impl FnOnce(&mut Surroundings)) -> Context {
        let mut context = self.0.unwrap_or_default();
        change(Arc::make_mut(&mut context));
        Context(Some(context))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("discards", self.discards())
            .field("name", &self.name())
            .field("tags", &self.tags())
            .finish_non_exhaustive()
    }
}

/// Behind one thin pointer, because every stage keeps one.
struct DiscardHook(Box<TakeDiscarded>);

/// Is given an `Option` with the item inside, and takes it out if the type is right.
type TakeDiscarded = dyn Fn(&mut dyn Any) + Send + Sync;

/// Who is told of items that are taken from upstream and never delivered.
///
/// Items are dropped exactly once in any case; this is for whoever wants to count or return
/// them. It costs nothing where nobody does.
#[derive(Clone, Default)]
pub struct Discards(Option<Arc<DiscardHook>>);

impl Discards {
    /// Tells `hook` of discarded items of type `T`, and `next` of the others.
    pub fn new<T: 'static>(hook: impl Fn(T) + Send + Sync + 'static, next: Discards) -> Discards {
        Discards(Some(Arc::new(DiscardHook(Box::new(move |item| {
            match item.downcast_mut::<Option<T>>().map(Option::take) {
                Some(Some(item)) => hook(item),
                Some(None) => {}
                None => {
                    if let Some(next) = &next.0 {
                        (next.0)(item);
                    }
                }
            }
        })))))
    }

    /// Tells `hook` that an item is discarded, whatever its type, and `next` of the item.
    pub fn counted(hook: impl Fn() + Send + Sync + 'static, next: Discards) -> Discards {
        Discards(Some(Arc::new(DiscardHook(Box::new(move |item| {
            hook();
            if let Some(next) = &next.0 {
                (next.0)(item);
            }
        })))))
    }

    /// Whether nobody wants to be told.
    #[inline]
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Discards `item`: hands it to the hook for its type, or drops it.
    #[inline]
    pub fn discard<T: 'static>(&self, item: T) {
        if let Some(hook) = &self.0 {
            tell(hook, item);
        }
    }
}

/// Apart, so that a loop whose skipped items nobody asks after stays small.
#[cold]
#[inline(never)]
fn tell<T: 'static>(hook: &DiscardHook, item: T) {
    (hook.0)(&mut Some(item));
}

impl fmt::Debug for Discards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "Discards(nobody)" } else { "Discards(hook)" })
    }
}
