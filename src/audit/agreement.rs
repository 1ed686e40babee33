//! The 2x2 table of AI against the first human's blind opinion, and its agreement statistics.

use super::bootstrap::percentile_interval;
use super::interval::{Z, real};
use super::{Figure, IntervalMethod, McNemar, Settings, newcombe_paired, wilson};

/// Cases by what the AI and the first human, blind, called them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConcordanceTable {
    /// Both positive (a).
    pub both_positive: u64,
    /// Only the AI positive (b).
    pub ai_only: u64,
    /// Only the human positive (c).
    pub human_only: u64,
    /// Both negative (d).
    pub both_negative: u64,
}

/// Cohen's kappa with what it must never be shown without.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Kappa {
    /// Cohen's kappa.
    pub kappa: Figure,
    /// Share of cases called alike.
    pub observed_agreement: Figure,
    /// Agreement on positive calls.
    pub positive_agreement: Figure,
    /// Share of cases that the human called positive.
    pub prevalence: Figure,
}

impl ConcordanceTable {
    /// The table with cells a, b, c and d.
    pub const fn new(both_positive: u64, ai_only: u64, human_only: u64, both_negative: u64) -> Self {
        Self { both_positive, ai_only, human_only, both_negative }
    }

    /// All cases.
    pub const fn n(&self) -> u64 {
        self.both_positive + self.ai_only + self.human_only + self.both_negative
    }

    const fn cells(&self) -> [u64; 4] {
        [self.both_positive, self.ai_only, self.human_only, self.both_negative]
    }

    fn proportion(&self, hits: u64, settings: &Settings) -> Figure {
        let n = self.n();
        Figure::gated(n, settings.minimum_cases, || {
            Figure::new(real(hits) / real(n), wilson(hits, n), n, IntervalMethod::Wilson)
        })
    }

    fn bootstrapped(&self, n: u64, needed: u64, settings: &Settings, formula: fn([u64; 4]) -> f64) -> Figure {
        Figure::gated(n, needed, || {
            let cells = self.cells();
            let interval =
                percentile_interval(cells, settings.bootstrap_resamples, settings.bootstrap_seed, formula);
            Figure::new(formula(cells), interval, n, IntervalMethod::Bootstrap)
        })
    }

    /// Observed agreement Po = (a + d) / n.
    pub fn observed_agreement(&self, settings: &Settings) -> Figure {
        self.proportion(self.both_positive + self.both_negative, settings)
    }

    /// Discordance rate (b + c) / n.
    pub fn discordance_rate(&self, settings: &Settings) -> Figure {
        self.proportion(self.ai_only + self.human_only, settings)
    }

    /// Share of cases that the AI called positive.
    pub fn ai_positive_rate(&self, settings: &Settings) -> Figure {
        self.proportion(self.both_positive + self.ai_only, settings)
    }

    /// Share of cases that the human called positive.
    pub fn human_positive_rate(&self, settings: &Settings) -> Figure {
        self.proportion(self.both_positive + self.human_only, settings)
    }

    /// Positive agreement 2a / (2a + b + c) (Cicchetti and Feinstein 1990); n counts cases that either called positive.
    pub fn positive_agreement(&self, settings: &Settings) -> Figure {
        let n = self.both_positive + self.ai_only + self.human_only;
        self.bootstrapped(n, settings.minimum_cases_of_a_kind, settings, specific_agreement)
    }

    /// Negative agreement 2d / (2d + b + c); n counts cases that either called negative.
    pub fn negative_agreement(&self, settings: &Settings) -> Figure {
        let n = self.both_negative + self.ai_only + self.human_only;
        self.bootstrapped(n, settings.minimum_cases_of_a_kind, settings, |[a, b, c, d]| {
            specific_agreement([d, b, c, a])
        })
    }

    /// Cohen's kappa (Cohen 1960) with the standard error of Fleiss, Cohen and Everitt (1969), and beside it
    /// what it must never be shown without.
    ///
    /// ```
    /// use doubleread::audit::{ConcordanceTable, Settings};
    /// // AUDIT: a 60, b 25, c 15, d 900 gives kappa 0.7284, 0.6482 to 0.8085.
    /// let figure = ConcordanceTable::new(60, 25, 15, 900).kappa(&Settings::default()).kappa;
    /// let (low, high) = figure.interval().unwrap();
    /// assert!((figure.value().unwrap() - 0.7284).abs() < 5e-5);
    /// assert!((low - 0.6482).abs() < 1e-4 && (high - 0.8085).abs() < 1e-4);
    /// ```
    pub fn kappa(&self, settings: &Settings) -> Kappa {
        let n = self.n();
        let kappa = Figure::gated(n, settings.minimum_cases, || {
            let (kappa, standard_error) = self.kappa_and_standard_error();
            let interval = ((kappa - Z * standard_error).max(-1.0), (kappa + Z * standard_error).min(1.0));
            Figure::new(kappa, interval, n, IntervalMethod::FleissCohenEveritt)
        });
        Kappa {
            kappa,
            observed_agreement: self.observed_agreement(settings),
            positive_agreement: self.positive_agreement(settings),
            prevalence: self.human_positive_rate(settings),
        }
    }

    /// Kappa and its large-sample standard error; not a number where chance agreement is certain.
    fn kappa_and_standard_error(&self) -> (f64, f64) {
        let n = real(self.n());
        let [a, b, c, d] = self.cells().map(|cell| real(cell) / n);
        let (ai, human) = ([a + b, c + d], [a + c, b + d]);
        let po = a + d;
        let pe = ai[0] * human[0] + ai[1] * human[1];
        if 1.0 - pe <= f64::EPSILON {
            return (f64::NAN, f64::NAN);
        }
        let kappa = (po - pe) / (1.0 - pe);
        let diagonal = a * ((1.0 - pe) - (ai[0] + human[0]) * (1.0 - po)).powi(2)
            + d * ((1.0 - pe) - (ai[1] + human[1]) * (1.0 - po)).powi(2);
        let off = (1.0 - po).powi(2) * (b * (human[0] + ai[1]).powi(2) + c * (human[1] + ai[0]).powi(2));
        let variance = (diagonal + off - (po * pe - 2.0 * pe + po).powi(2)) / (n * (1.0 - pe).powi(4));
        (kappa, variance.max(0.0).sqrt())
    }

    /// Prevalence- and bias-adjusted kappa 2 Po - 1 (Byrt, Bishop and Carlin 1993).
    pub fn pabak(&self, settings: &Settings) -> Figure {
        let n = self.n();
        let agreed = self.both_positive + self.both_negative;
        Figure::gated(n, settings.minimum_cases, || {
            let (low, high) = wilson(agreed, n);
            let interval = (2.0 * low - 1.0, 2.0 * high - 1.0);
            Figure::new(2.0 * real(agreed) / real(n) - 1.0, interval, n, IntervalMethod::Wilson)
        })
    }

    /// Gwet's AC1 (Gwet 2008).
    pub fn ac1(&self, settings: &Settings) -> Figure {
        self.bootstrapped(self.n(), settings.minimum_cases, settings, gwet_ac1)
    }

    /// Difference of the positive rates, AI minus human: (b - c) / n.
    pub fn marginal_difference(&self, settings: &Settings) -> Figure {
        let n = self.n();
        Figure::gated(n, settings.minimum_cases, || {
            let [a, b, c, d] = self.cells();
            let value = (real(b) - real(c)) / real(n);
            Figure::new(value, newcombe_paired(a, b, c, d), n, IntervalMethod::NewcombePaired)
        })
    }

    /// McNemar's test, where there are enough cases.
    pub fn mcnemar(&self, settings: &Settings) -> Option<McNemar> {
        (self.n() >= settings.minimum_cases).then(|| McNemar::of(self.ai_only, self.human_only))
    }
}

/// Agreement on the call that `both` counts: 2 both / (2 both + b + c).
fn specific_agreement([both, b, c, _]: [u64; 4]) -> f64 {
    2.0 * real(both) / real(2 * both + b + c)
}

fn gwet_ac1([a, b, c, d]: [u64; 4]) -> f64 {
    let n = real(a + b + c + d);
    let pi = real(2 * a + b + c) / (2.0 * n);
    let chance = 2.0 * pi * (1.0 - pi);
    (real(a + d) / n - chance) / (1.0 - chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: ConcordanceTable = ConcordanceTable::new(60, 25, 15, 900);

    fn near(figure: &Figure, value: f64) {
        assert!((figure.value().unwrap() - value).abs() < 5e-5, "{figure} is not {value}");
    }
    fn within(figure: &Figure, low: f64, high: f64) {
        let (l, h) = figure.interval().unwrap();
        // The design gives ends to four places, some of them from a standard error rounded to four.
        assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{l} to {h} is not {low} to {high}");
    }

    #[test]
    fn the_design_s_test_values_are_reproduced() {
        let s = Settings::default();
        near(&TABLE.observed_agreement(&s), 0.9600);
        within(&TABLE.observed_agreement(&s), 0.9460, 0.9705);
        near(&TABLE.discordance_rate(&s), 0.0400);
        let kappa = TABLE.kappa(&s);
        near(&kappa.kappa, 0.7284);
        within(&kappa.kappa, 0.6482, 0.8085);
        assert!((TABLE.kappa_and_standard_error().1 - 0.0409).abs() < 5e-5);
        near(&kappa.observed_agreement, 0.9600);
        near(&kappa.positive_agreement, 0.7500);
        near(&kappa.prevalence, 0.0750);
        near(&TABLE.pabak(&s), 0.9200);
        near(&TABLE.ac1(&s), 0.9531);
        near(&TABLE.positive_agreement(&s), 0.7500);
        near(&TABLE.negative_agreement(&s), 0.9783);
        near(&TABLE.ai_positive_rate(&s), 0.0850);
        within(&TABLE.ai_positive_rate(&s), 0.0693, 0.1039);
        near(&TABLE.marginal_difference(&s), 0.0100);
        let test = TABLE.mcnemar(&s).unwrap();
        assert!((test.exact_p - 0.1539).abs() < 5e-5);
        assert!((test.corrected_chi_squared - 2.0250).abs() < 5e-5);
    }

    #[test]
    fn kappa_of_the_textbook_table_is_two_fifths() {
        let kappa = ConcordanceTable::new(20, 5, 10, 15).kappa(&Settings::default());
        near(&kappa.kappa, 0.4);
    }

    #[test]
    fn a_bootstrap_interval_holds_its_estimate_and_comes_out_the_same_twice() {
        let s = Settings::default();
        for figure in [TABLE.positive_agreement(&s), TABLE.negative_agreement(&s), TABLE.ac1(&s)] {
            let (low, high) = figure.interval().unwrap();
            assert!(low < figure.value().unwrap() && figure.value().unwrap() < high, "{figure}");
        }
        assert_eq!(TABLE.positive_agreement(&s), TABLE.positive_agreement(&s));
        // The delta method gives a standard error of 0.0378 for 0.75 here; the bootstrap must be near it.
        let (low, high) = TABLE.positive_agreement(&s).interval().unwrap();
        assert!((high - low - 2.0 * Z * 0.0378).abs() < 0.02, "{low} to {high}");
    }

    #[test]
    fn few_cases_give_no_number_and_one_sided_tables_no_kappa() {
        let s = Settings::default();
        assert_eq!(
            ConcordanceTable::new(1, 0, 1, 9).kappa(&s).kappa,
            Figure::NotEnoughCases { n: 11, needed: 30 }
        );
        assert_eq!(ConcordanceTable::new(1, 0, 1, 9).mcnemar(&s), None);
        let all_normal = ConcordanceTable::new(0, 0, 0, 100);
        assert_eq!(all_normal.kappa(&s).kappa, Figure::Undefined { n: 100 });
        assert_eq!(all_normal.positive_agreement(&s), Figure::NotEnoughCases { n: 0, needed: 10 });
        near(&all_normal.observed_agreement(&s), 1.0);
        let empty = ConcordanceTable::default();
        let no_minimum = Settings { minimum_cases: 0, minimum_cases_of_a_kind: 0, ..s };
        assert_eq!(empty.observed_agreement(&no_minimum).value(), None);
    }
}
