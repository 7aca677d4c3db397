//! How much is asked for, and when.

/// Demand on its way through a place that has room for so many items: it asks for what it is asked,
/// at most [`most`](Tide::new) ahead, and again at low tide.
#[derive(Debug)]
pub(crate) struct Tide {
    most: u64,
    /// The sum of what whoever wants the items has asked for.
    asked: u64,
    /// The sum of what whoever sends them was asked for.
    granted: u64,
    /// How many have come.
    taken: u64,
}

impl Tide {
    /// At most `most` are asked for and have not come.
    pub(crate) fn new(most: usize) -> Tide {
        Tide { most: most as u64, asked: 0, granted: 0, taken: 0 }
    }

    /// `sum` were asked for so far. A sum that is less than one before is an old one.
    pub(crate) fn rise(&mut self, sum: u64) {
        self.asked = self.asked.max(sum);
    }

    /// How many more to ask for now, if any: when no more than a quarter of what could be on its
    /// way still is.
    pub(crate) fn due(&mut self) -> Option<u64> {
        let sum = self.asked.min(self.taken.saturating_add(self.most));
        let ahead = self.granted - self.taken;
        if sum <= self.granted || ahead > (sum - self.taken) / 4 {
            return None;
        }
        let more = sum - self.granted;
        self.granted = sum;
        Some(more)
    }

    /// An item came; `false` where it was not asked for.
    pub(crate) fn take(&mut self) -> bool {
        let asked = self.is_owed();
        self.taken += u64::from(asked);
        asked
    }

    /// Whether an item may come.
    pub(crate) fn is_owed(&self) -> bool {
        self.taken < self.granted
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_asked_and_no_more() {
        let mut tide = Tide::new(16);
        assert_eq!(tide.due(), None);
        tide.rise(5);
        assert_eq!((tide.due(), tide.due()), (Some(5), None));
        for _ in 0..5 {
            assert!(tide.take());
        }
        assert!(!tide.take(), "an item that was not asked for");
        assert_eq!((tide.taken(), tide.granted()), (5, 5));
    }

    #[test]
    fn no_more_than_the_window_is_ahead_and_three_quarters_are_asked_for_at_low_tide() {
        let mut tide = Tide::new(8);
        tide.rise(u64::MAX);
        assert_eq!(tide.due(), Some(8));
        let mut asked = Vec::new();
        for _ in 0..24 {
            assert!(tide.take());
            asked.extend(tide.due());
            assert!(tide.granted() - tide.taken() <= 8);
        }
        assert_eq!(asked, [6, 6, 6, 6]);
    }

    #[test]
    fn old_sums_and_the_same_again_change_nothing_and_the_largest_does_not_wrap() {
        let mut tide = Tide::new(usize::MAX);
        tide.rise(u64::MAX);
        assert_eq!(tide.due(), Some(u64::MAX));
        tide.rise(u64::MAX);
        tide.rise(3);
        assert!(tide.take());
        assert_eq!((tide.due(), tide.asked()), (None, u64::MAX));
    }

    #[test]
    fn whoever_asks_one_by_one_is_served_one_by_one() {
        let mut tide = Tide::new(64);
        for sum in 1..10 {
            tide.rise(sum);
            assert_eq!(tide.due(), Some(1));
            assert!(tide.take());
        }
    }
}
