//! The building blocks of Millstream: the protocol, once.
//!
//! | block | in one sentence |
//! |---|---|
//! | [`word`] | one atomic word: demand, the right to emit, closed |
//! | [`turn`] | state that only the holder of the right to emit can touch |
//! | [`emission`] | the loop that sends items while there is demand |
//! | [`ring`] | a bounded queue from one writer to one reader, which tells when the reader waits |
//! | [`funnel`] | a bounded queue from many writers to one reader; writers can wait for room |
//! | [`basin`] | a bounded queue that spills, and shows the demand to those that fill it |
//! | [`intake`] | a subscriber that fills a basin, whatever leaves it |
//! | [`bell`] | how a queue tells whoever empties it that there is something to do |
//! | [`boxed`] | publishers and subscribers behind a pointer |
//! | [`lane`] | a subscriber that fills a ring, and a pull that empties it |
//! | [`door`] | the way of an item past the queue of its lane, to whoever asks for it just now |
//! | [`entrust`] | a task on its way to an executor, which may refuse it |
//! | [`alarm`] | a thread that waits for news: for a while it looks, then it sleeps |
//! | [`gauge`] | what a boundary tells of itself to whoever looks from outside |
//! | [`crew`] | a queue of work and the workers that wait for it |
//! | [`waker`] | a place for the waker of one task |
//! | [`token`] | what schedules a task, once, however many knock |
//! | [`island`] | a source and its chain of stages, run by whoever knocks |
//! | [`task`] | the same on a task of an executor |
//! | [`poller`] | the same for a task of somebody else, which polls for the items |
//! | [`courier`] | a stream whose requests run on a task of an executor |
//! | [`hub`] | one upstream, and outlets that come and go |
//! | [`branch`] | one of several downstreams that one upstream is divided among |
//! | [`cause`] | why something is dropped, for the destructors that run |
//! | [`bucket`] | so many items in a time, of one stream or of many |
//! | [`share`] | one hub after another over clones of one upstream |
//! | [`purse`] | what downstream has asked for, seen before each item of an upstream that is asked for all |
//! | [`relay`] | a late-bound, switchable upstream that carries unspent demand over |
//! | [`receipt`] | a window of items that are to be acknowledged, and what of them may be committed |
//! | [`permits`] | permits that many share, and a line of those who wait for one |
//! | [`valve`] | demand that is kept while it is shut, from outside |
//! | [`outcome`] | an end that comes once, awaited or waited for |
//! | [`census`] | who is here, and what they counted, for whoever waits until all have gone |
//! | [`switch`] | a switch that is thrown once, and tells all who listen |
//! | [`slot`] | one item at a time, asked for by whoever awaits it |
//!
//! Each is a file with its states, who may touch what and why each ordering is what it is; each
//! has models under `tests/` that explore its schedules, and seeded faults that the models must
//! catch. Operators are made of the shapes in `millstream-operators` and never touch these
//! directly, nor any atomic, lock or unsafe code of their own.

mod accounts;
pub mod alarm;
pub mod basin;
pub mod bell;
pub mod boxed;
pub mod branch;
pub mod bucket;
pub mod cause;
pub mod census;
pub mod courier;
pub mod crew;
pub mod door;
pub mod emission;
mod ending;
pub mod entrust;
pub mod funnel;
pub mod gauge;
pub mod hub;
pub mod intake;
pub mod island;
pub mod lane;
mod mail;
pub mod outcome;
pub mod permits;
pub mod poller;
pub mod purse;
mod queue;
pub mod receipt;
pub mod relay;
pub mod ring;
mod running;
pub mod share;
pub mod slot;
mod snapshot;
pub mod switch;
pub mod task;
pub mod token;
pub mod turn;
pub mod valve;
pub mod waker;
mod window;
pub mod word;
