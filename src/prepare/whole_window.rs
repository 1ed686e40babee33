//! Windowed values gathered as whole numbers, where the window is a straight line with whole ends.
//!
//! In: a straight line, rows of stored values with their weight. Out: sums, and what grey they are. Whole numbers of
//! 16 bits are windowed twice as many at a time as floats, and this loop sees every pixel of every image. Must never
//! be used where rounding would show: [`WholeWindow::of`] says no.

use super::greyscale::Ramp;

/// A weight of one, of a row's share in a sum.
pub(super) const WHOLE: u32 = 1 << 16;

/// A straight line between two whole stored values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WholeWindow {
    /// First stored value that differs from the end below it, and how many values on the other end is.
    low: u16,
    span: u16,
    /// Places by which a value is moved up, so that parts of it lose nothing.
    shift: u32,
    /// Grey of `low`, and of one unit of a moved value.
    start: f32,
    step: f32,
}

impl WholeWindow {
    /// The line, if its ends are whole to within a hundred-thousandth of grey.
    pub fn of(ramp: Ramp) -> Option<Self> {
        let (black, gain) = (f64::from(ramp.black), f64::from(ramp.gain));
        let white = black + 1.0 / gain;
        let is_whole = |end: f64| end.is_finite() && ((end - end.round()) * gain).abs() < 1e-5;
        if !is_whole(black) || !is_whole(white) {
            return None;
        }
        // Ends beyond what can be stored are never met.
        let stored = |end: f64| end.round().clamp(0.0, f64::from(u16::MAX)) as u16;
        let low = stored(black.min(white));
        let span = stored(black.max(white)).checked_sub(low).filter(|span| *span > 0)?;
        let shift = span.leading_zeros();
        let start = ((f64::from(low) - black.round()) * gain) as f32;
        Some(Self { low, span, shift, start, step: (gain / f64::from(1_u32 << shift)) as f32 })
    }

    /// Adds a row to the sums, as a part (of [`WHOLE`]) of itself.
    pub fn add(self, row: &[u16], part: u32, sums: &mut [u32]) {
        let windowed = |value: u16| u32::from(value.saturating_sub(self.low).min(self.span) << self.shift);
        if part >= WHOLE {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += windowed(*value));
        } else {
            // Rounded, so that the parts of many rows don't add up to a shift.
            let share = |value: u16| (windowed(value) * part + WHOLE / 2) >> 16;
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += share(*value));
        }
    }

    /// Grey of sums of which a whole row has the weight `most`, all weights together one.
    pub fn grey(self, sums: &[u32], most: f32, grey: &mut [f32]) {
        let step = self.step * most;
        grey.iter_mut().zip(sums).for_each(|(grey, sum)| *grey = self.start + *sum as f32 * step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_give_the_grey_of_the_line() {
        // Windows inside, across either end, turned round, of few values and of all.
        for (black, white) in [
            (0.0, 4095.0),
            (-452.0, 4547.0),
            (700.0, 3000.0),
            (3000.0, 700.0),
            (10.0, 13.0),
            (0.0, 65_535.0),
            (60_000.0, 70_000.0),
        ] {
            let ramp = Ramp { black: black as f32, gain: (1.0 / (white - black)) as f32 };
            let window = WholeWindow::of(ramp).expect("whole ends");
            let values: Vec<u16> = (0..=u16::MAX).step_by(7).collect();
            let mut sums = vec![0; values.len()];
            // Three rows of weights 1, 1/2 and 1/4, over their sum.
            for part in [WHOLE, WHOLE / 2, WHOLE / 4] {
                window.add(&values, part, &mut sums);
            }
            let mut grey = vec![0.0; values.len()];
            window.grey(&sums, 1.0 / 1.75, &mut grey);
            for (value, grey) in values.iter().zip(grey) {
                let line = ((f64::from(*value) - black) / (white - black)).clamp(0.0, 1.0);
                assert!(
                    (line - f64::from(grey)).abs() < 5e-5,
                    "{black} to {white}: {value} is {grey}, not {line}"
                );
            }
        }
    }

    #[test]
    fn ends_between_two_values_are_refused() {
        assert_eq!(WholeWindow::of(Ramp { black: 0.5, gain: 0.01 }), None);
        assert_eq!(WholeWindow::of(Ramp { black: 0.0, gain: 1.0 / 100.3 }), None);
        assert_eq!(WholeWindow::of(Ramp { black: 0.0, gain: 0.0 }), None);
    }
}
