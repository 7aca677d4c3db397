//! Whose turn it is among many feeds: in an [order](Order), past those that wait.

use std::sync::Arc;

use millstream_blocks::bell::{Bell, Marks};

/// How many items one feed gives before the next has its turn.
const BURST: u32 = 64;

/// How many, where its upstream is asked for them in the turn, and sends them in that call. They cost so
/// little that asking is what is felt.
const PROMPT_BURST: u32 = 256;

/// Who has the next turn, and for how many items.
pub(crate) enum Order {
    /// Round and round, all alike.
    Round,
    /// Round and round, each for as many items as it weighs.
    Weights(Box<[u32]>),
    /// The first that has something, for one item.
    First,
}

/// The feeds that may have something, and the one whose turn it is.
pub(crate) struct Roster {
    /// Feeds that were asleep, and have rung since.
    marks: Arc<Marks>,
    awake: Box<[u64]>,
    order: Order,
    current: usize,
    /// How many more items the current feed may give.
    left: u32,
}

impl Roster {
    /// For `size` feeds, all asleep.
    pub(crate) fn new(size: usize, order: Order) -> Roster {
        // With weights the first has the first turn.
        let current = match order {
            Order::Weights(_) => size.saturating_sub(1),
            _ => 0,
        };
        Roster {
            order,
            marks: Marks::new(size),
            awake: vec![0; size.div_ceil(64)].into(),
            current,
            left: 0,
        }
    }

    /// The bell of feed number `n`.
    pub(crate) fn bell(&self, bell: &Bell, n: usize) -> Bell {
        bell.marked(&self.marks, n)
    }

    /// Feed `n` may have something.
    pub(crate) fn wake(&mut self, n: usize) {
        self.awake[n / 64] |= 1 << (n % 64);
    }

    /// Feed `n` has nothing until it rings. Its turn is over.
    pub(crate) fn sleep(&mut self, n: usize) {
        self.awake[n / 64] &= !(1 << (n % 64));
        self.left = 0;
    }

    /// The feed whose turn it is, for one item.
    #[inline]
    pub(crate) fn turn(&mut self) -> Option<usize> {
        let n = self.begin(|_| false)?;
        self.left -= 1;
        Some(n)
    }

    /// The feed whose turn it is, for as many items as are [left of it](Roster::turn_left). `is_prompt`
    /// says whether one is asked in its turn.
    #[inline]
    pub(crate) fn begin(&mut self, is_prompt: impl Fn(usize) -> bool) -> Option<usize> {
        if self.left == 0 {
            (self.current, self.left) = self.next(is_prompt)?;
        }
        Some(self.current)
    }

    #[inline]
    fn next(&mut self, is_prompt: impl Fn(usize) -> bool) -> Option<(usize, u32)> {
        if let Order::First = self.order {
            self.listen();
            return self.from(0).map(|n| (n, 1));
        }
        // After a long turn not only when it has come round: who rang waits for one turn of each other.
        if is_prompt(self.current) {
            self.listen();
        }
        let n = self.after(self.current + 1)?;
        let turn = match &self.order {
            Order::Weights(weights) => weights[n],
            _ if is_prompt(n) => PROMPT_BURST,
            _ => BURST,
        };
        Some((n, turn))
    }

    /// How many more items the feed whose turn it is may give, for it to count down.
    #[inline]
    pub(crate) fn turn_left(&mut self) -> &mut u32 {
        &mut self.left
    }

    /// Those that rang are awake.
    pub(crate) fn listen(&mut self) {
        let awake = &mut self.awake;
        self.marks.take(|n| awake[n / 64] |= 1 << (n % 64));
    }

    /// The first awake feed from number `n` on, and then from the beginning; it listens when it
    /// has come round.
    fn after(&mut self, n: usize) -> Option<usize> {
        self.from(n).or_else(|| {
            self.listen();
            self.from(0)
        })
    }

    /// The first awake feed from number `n` on.
    pub(crate) fn from(&self, n: usize) -> Option<usize> {
        let first = n / 64;
        let mut mask = u64::MAX << (n % 64);
        for (i, word) in self.awake.iter().enumerate().skip(first) {
            let bits = word & mask;
            if bits != 0 {
                return Some(i * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}
