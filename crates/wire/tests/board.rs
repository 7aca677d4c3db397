//! What a connection tells of itself on a board.

use std::convert::Infallible;

use millstream::Board;
use millstream::board::{Row, State};
use millstream::prelude::*;
use millstream_testkit::{Behaviour, ProbeHandle, Script, ScriptedPublisher, probe};
use millstream_wire::{connect, serve};

use crate::common::{Cable, complete, decode, encode, hello, next, seeded, served};

/// A stream by a connection of window 4, observed, of which the test is the peer.
struct Watched {
    board: Board,
    cable: Cable,
    executor: millstream::executor::Seeded,
    handle: ProbeHandle<i64, String>,
    line: u32,
}

impl Watched {
    fn new(demand: u64) -> Watched {
        let (board, cable, executor) = (Board::new(4), Cable::new(1 << 16, 1 << 16), seeded(1));
        let (stream, line) = (connect(executor.clone(), cable.link(1), decode, 4), line!());
        let stream = stream.named("prices").observed(&board);
        let behaviour = Behaviour::new().initially(demand);
        let handle = probe(stream.map_err(|error| error.to_string()), behaviour);
        let watched = Watched { board, cable, executor, handle, line };
        watched.say(&hello(0, 1 << 16));
        watched
    }

    fn say(&self, bytes: &[u8]) {
        self.cable.say(0, bytes);
        self.executor.run_until_idle();
    }

    fn items(&self, numbers: std::ops::Range<u64>) {
        for n in numbers {
            self.say(&next(n, &n.to_be_bytes()));
        }
    }

    fn row(&self) -> Row {
        let rows: Vec<_> = self.board.snapshot().into_iter().collect();
        let [row] = rows.try_into().expect("one boundary");
        assert_eq!((row.kind, row.name.as_deref(), row.capacity), ("connect", Some("prices"), 4));
        assert_eq!((row.location.file(), row.location.line()), (file!(), self.line));
        assert_eq!((row.fill, row.high_water, row.discarded), (0, 0, 0), "it holds nothing");
        assert_eq!(row.received, row.sent);
        row
    }
}

#[test]
fn a_connection_counts_what_has_come_and_says_whether_it_waits_for_the_peer() {
    let watched = Watched::new(3);
    let row = watched.row();
    assert_eq!((row.received, row.state), (0, State::Running));
    assert_eq!(row.demand.map(|demand| demand.get()), Some(3));
    assert!(row.starved_since.is_some(), "the peer is waited for");
    watched.items(0..2);
    let row = watched.row();
    assert_eq!((row.received, row.demand.map(|demand| demand.get())), (2, Some(1)));
    watched.items(2..3);
    let row = watched.row();
    assert_eq!((row.received, row.demand), (3, None));
    assert!(row.starved_since.is_none(), "nothing is asked for");
    watched.handle.request(5);
    watched.executor.run_until_idle();
    watched.items(3..5);
    assert_eq!(watched.row().received, 5);
}

#[test]
fn how_a_stream_ended_that_came_by_a_connection_is_on_the_board() {
    let complete_after = |count| move |watched: &Watched| watched.say(&complete(count));
    type Ending = Box<dyn Fn(&Watched)>;
    let endings: [(Ending, State); 5] = [
        (Box::new(complete_after(2)), State::Completed),
        // It breaks the protocol.
        (Box::new(complete_after(3)), State::Failed),
        (Box::new(|watched| watched.cable.close(0)), State::Failed),
        (Box::new(|watched| watched.cable.cut()), State::Failed),
        (Box::new(|watched| watched.handle.cancel()), State::Cancelled),
    ];
    for (number, (end, state)) in endings.into_iter().enumerate() {
        let watched = Watched::new(4);
        watched.items(0..2);
        end(&watched);
        watched.executor.run_until_idle();
        let row = watched.row();
        assert_eq!((row.received, row.state), (2, state), "ending {number}");
        assert!(row.demand.is_none() && row.starved_since.is_none());
    }
}

#[test]
fn a_server_tells_what_waits_for_the_connection() {
    let (board, cable, executor) = (Board::new(4), Cable::new(1 << 16, 1 << 16), seeded(1));
    let numbers = ScriptedPublisher::<i64, Infallible>::playing(Script::items(0..));
    let (serve, line) = (serve(numbers.clone(), cable.link(0), encode, 4), line!());
    let _told = served(&executor, serve.observed(&board));
    assert!(board.snapshot().rows().is_empty(), "nobody is there");
    let stream = connect(executor.clone(), cable.link(1), decode, 4);
    let handle = probe(stream.map_err(|error| error.to_string()), Behaviour::new().initially(3));
    executor.run_until_idle();
    let row = || {
        let rows: Vec<_> = board.snapshot().into_iter().collect();
        let [row] = rows.try_into().expect("one boundary");
        assert_eq!((row.kind, row.capacity), ("serve", 4));
        assert_eq!((row.location.file(), row.location.line()), (file!(), line));
        assert!(row.high_water <= 4, "{row:?}");
        (row.received, row.sent, row.fill, row.state)
    };
    assert_eq!(row(), (3, 3, 0, State::Running));
    handle.request(20);
    executor.run_until_idle();
    assert_eq!(row(), (23, 23, 0, State::Running));
    handle.cancel();
    executor.run_until_idle();
    assert_eq!(row(), (23, 23, 0, State::Cancelled));
}
