//! What a trunk knows of its branches: how many are hungry, and whose turn is kept.

use millstream_blocks::branch::{Feeder, Sent};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Hunger {
    hungry: usize,
    /// Likewise, of those that the host of the trunk holds in place.
    rooted: usize,
    /// Branches whose turn was kept since the trunk rested.
    kept: Vec<usize>,
    /// By number, whether it is in `kept`.
    listed: Vec<bool>,
}

impl Hunger {
    /// How many branches have demand, and nothing to send; without those that the host of the
    /// trunk holds in place, for which it runs the trunk itself.
    #[inline]
    pub(crate) fn hungry(&self) -> usize {
        self.hungry
    }

    /// With those.
    #[inline]
    pub(crate) fn all(&self) -> usize {
        self.hungry + self.rooted
    }

    /// Sends an item to branch number `n`.
    #[inline]
    pub(crate) fn send<T: Send + 'static, E: Send + 'static>(
        &mut self,
        n: usize,
        feeder: &mut Feeder<T, E>,
        item: T,
    ) -> Sent<T> {
        match feeder.push(item) {
            Ok(()) => Sent::Taken,
            Err(item) => self.send_or_keep(n, feeder, item),
        }
    }

    #[inline(never)]
    fn send_or_keep<T: Send + 'static, E: Send + 'static>(
        &mut self,
        n: usize,
        feeder: &mut Feeder<T, E>,
        item: T,
    ) -> Sent<T> {
        let before = (feeder.is_hungry(), feeder.is_kept());
        let sent = feeder.send(item);
        if before != (feeder.is_hungry(), feeder.is_kept()) {
            self.changed(n, before.0, feeder);
        }
        sent
    }

    /// Looks at the news of branch number `n`; whether it has gone.
    #[must_use = "a branch that has gone is to be dropped"]
    pub(crate) fn attend<T: Send + 'static, E: Send + 'static>(
        &mut self,
        n: usize,
        feeder: &mut Feeder<T, E>,
    ) -> bool {
        let hungry = feeder.is_hungry();
        let gone = feeder.attend();
        self.changed(n, hungry, feeder);
        gone
    }

    /// The branches whose turn is to be given up, before the trunk rests.
    pub(crate) fn take_kept(&mut self) -> Option<usize> {
        let n = self.kept.pop()?;
        self.listed[n] = false;
        Some(n)
    }

    /// Gives up the turn of branch number `n`.
    pub(crate) fn rest<T: Send + 'static, E: Send + 'static>(&mut self, feeder: &mut Feeder<T, E>) {
        let hungry = feeder.is_hungry();
        feeder.rest();
        self.count(feeder, hungry, feeder.is_hungry());
    }

    /// A branch is about to be dropped or ended.
    pub(crate) fn forget<T: Send + 'static, E: Send + 'static>(&mut self, feeder: &Feeder<T, E>) {
        self.count(feeder, feeder.is_hungry(), false);
    }

    fn changed<T: Send + 'static, E: Send + 'static>(
        &mut self,
        n: usize,
        hungry: bool,
        feeder: &Feeder<T, E>,
    ) {
        self.count(feeder, hungry, feeder.is_hungry());
        if feeder.is_kept() {
            if n >= self.listed.len() {
                self.listed.resize(n + 1, false);
            }
            if !std::mem::replace(&mut self.listed[n], true) {
                self.kept.push(n);
            }
        }
    }

    fn count<T: Send + 'static, E: Send + 'static>(
        &mut self,
        feeder: &Feeder<T, E>,
        before: bool,
        now: bool,
    ) {
        let count = if feeder.is_rooted() { &mut self.rooted } else { &mut self.hungry };
        match (before, now) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        }
    }
}
