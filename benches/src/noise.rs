//! How quiet the machine is: the same loop, timed before and after.

use std::hint::black_box;
use std::time::Instant;

const SAMPLES: usize = 41;
const STEPS: u32 = 50_000;

/// Nanoseconds for one step of a loop that does nothing but multiply, each after the other: the
/// median of some milliseconds. It is as high as somebody else has the core, or its clock is low.
#[must_use]
pub fn calibration() -> f64 {
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            let mut product = black_box(3_u64);
            for _ in 0..STEPS {
                product = black_box(product.wrapping_mul(5));
            }
            black_box(product);
            start.elapsed().as_nanos() as f64 / f64::from(STEPS)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[SAMPLES / 2]
}

/// The quartiles of some figures.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// A quarter of the figures is below.
    pub low: f64,
    /// Half of them.
    pub median: f64,
    /// Three quarters.
    pub high: f64,
    /// The lowest.
    pub best: f64,
}

impl Spread {
    /// Of `figures`.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |quarters: usize| figures[(figures.len() - 1) * quarters / 4];
        Spread { low: at(1), median: at(2), high: at(3), best: figures[0] }
    }

    /// How far the quartiles are apart, as a part of the median.
    #[must_use]
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.median
    }
}
