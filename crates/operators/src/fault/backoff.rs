//! [`Backoff`]: how long to wait before the next attempt, and how many there are.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How long to wait before the next attempt, and how many there are:
/// [`retry_backoff`](crate::PublisherExt::retry_backoff),
/// [`retry_item`](crate::PublisherExt::retry_item), [`restart_with_backoff`](crate::source::restart_with_backoff).
///
/// The first wait is `min`, each one after it twice the one before, up to `max`; each is then drawn
/// at random from its upper half, so that many who failed together do not come back together.
/// There is no bound to the attempts unless one is set.
///
/// ```
/// use std::time::Duration;
///
/// use millstream::fault::Backoff;
///
/// let mut waits = Backoff::new(Duration::from_millis(100))
///     .max(Duration::from_secs(1))
///     .jitter(0.0)
///     .attempts(6)
///     .waits();
/// let millis: Vec<_> = std::iter::from_fn(|| waits.next()).map(|wait| wait.as_millis()).collect();
/// assert_eq!(millis, [100, 200, 400, 800, 1000, 1000]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
    attempts: Option<u64>,
    after_item: bool,
    seed: Option<u64>,
}

impl Backoff {
    /// Waits `min` first, and then twice as long each time, without bound to the attempts.
    #[must_use]
    pub const fn new(min: Duration) -> Backoff {
        Backoff {
            min,
            max: Duration::MAX,
            factor: 2.0,
            jitter: 0.5,
            attempts: None,
            after_item: false,
            seed: None,
        }
    }

    /// Waits no longer than that.
    ///
    /// # Panics
    /// When it is below the first wait.
    #[must_use]
    #[track_caller]
    pub fn max(self, max: Duration) -> Backoff {
        assert!(
            max >= self.min,
            "Backoff::max({max:?}): the longest wait is not below the first, which is {:?}",
            self.min,
        );
        Backoff { max, ..self }
    }

    /// Waits so many times longer each time.
    ///
    /// # Panics
    /// When it is below one, or no number.
    #[must_use]
    #[track_caller]
    pub fn factor(self, factor: f64) -> Backoff {
        assert!(
            factor >= 1.0 && factor.is_finite(),
            "Backoff::factor({factor}): a wait is as long as the one before at least, so the factor \
             is 1 at least",
        );
        Backoff { factor, ..self }
    }

    /// Takes that part of each wait at random: nothing at 0, all of it at 1.
    ///
    /// # Panics
    /// When it is not between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn jitter(self, jitter: f64) -> Backoff {
        assert!(
            (0.0..=1.0).contains(&jitter),
            "Backoff::jitter({jitter}): it is a part of the wait, from 0 to 1",
        );
        Backoff { jitter, ..self }
    }

    /// Gives up after so many attempts beside the first.
    #[must_use]
    pub const fn attempts(self, attempts: u64) -> Backoff {
        Backoff { attempts: Some(attempts), ..self }
    }

    /// Begins anew, with the first wait and all attempts, after an attempt that sent an item. For
    /// `retry_item`, which begins anew with each item, it means nothing.
    #[must_use]
    pub const fn reset_after_item(self) -> Backoff {
        Backoff { after_item: true, ..self }
    }

    /// Draws the same waits each time: for tests.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Backoff {
        Backoff { seed: Some(seed), ..self }
    }

    /// The waits, one after another.
    #[must_use]
    pub fn waits(self) -> Waits {
        // The standard library's own source of randomness.
        let random = self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Waits { backoff: self, attempt: 0, random }
    }
}

/// The waits of a [`Backoff`].
#[derive(Debug, Clone)]
pub struct Waits {
    backoff: Backoff,
    attempt: u64,
    random: u64,
}

impl Waits {
    /// The next wait; none where it gives up.
    #[expect(clippy::should_implement_trait, reason = "it can begin anew")]
    pub fn next(&mut self) -> Option<Duration> {
        let Backoff { min, max, factor, jitter, attempts, .. } = self.backoff;
        if attempts.is_some_and(|attempts| self.attempt >= attempts) {
            return None;
        }
        let times = factor.powf(self.attempt as f64);
        self.attempt += 1;
        let longest = min.as_secs_f64() * times;
        let longest = Duration::try_from_secs_f64(longest).unwrap_or(Duration::MAX).min(max);
        // A part from 0 to 1 of it: it fits.
        let random = longest.as_secs_f64() * jitter * self.draw();
        Some(longest.saturating_sub(Duration::try_from_secs_f64(random).unwrap_or(longest)))
    }

    /// An attempt has ended: whether it sent an item may begin the count anew.
    pub fn attempt_ended(&mut self, sent_an_item: bool) {
        if sent_an_item && self.backoff.after_item {
            self.reset();
        }
    }

    /// Begins anew, with the first wait and all attempts.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// A number from 0 to 1, by splitmix64 (Steele, Lea and Flood, 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}
