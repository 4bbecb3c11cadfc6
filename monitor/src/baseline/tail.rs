//! How improbable a count is: exact upper tails, and where the line is for a given risk.
//!
//! All in natural logarithms, since a risk of 1e-9 and less is ordinary here and no normal approximation holds out there. A
//! tail is the term at `k` (by the gamma function's logarithm) times a sum of ratios of neighbouring terms, which needs no
//! more logarithms.
//!
//! Traffic is bursty: its counts vary more than coins and clocks do. Hence the two wider relatives, each with its plain one
//! as the limit: the beta-binomial, in which the rate itself differs from subject to subject, and the negative binomial.
//!
//! - Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 6.1.41 (Stirling's series), 26.1 (distributions)
//! - Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success as
//!   variable between the sets of trials, J. R. Stat. Soc. B 10 (1948): the beta-binomial
//! - Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), chapters 5 and 6.2.2

/// The sum of a tail is good to this part of itself.
const PRECISION: f64 = 1e-15;
/// Most terms of a sum. Beyond it the rest is bounded by the tail of a geometric series, or left out where terms still
/// grow: that is reached by nothing that [`Line`] asks.
const MOST_TERMS: u64 = 1 << 20;

/// ln of the gamma function, for `x` > 0: Stirling's series from 12 on, which is good to 1e-14 there; below, by
/// recurrence.
pub fn ln_gamma(x: f64) -> f64 {
    let mut product = 1.0;
    let mut x = x.max(f64::MIN_POSITIVE);
    while x < 12.0 {
        product *= x;
        x += 1.0;
    }
    let squared = 1.0 / (x * x);
    let series = (1.0 / 12.0 - squared * (1.0 / 360.0 - squared * (1.0 / 1260.0 - squared * (1.0 / 1680.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - product.ln()
}

/// ln P(X >= k) of `n` trials that each succeed with `p`.
pub fn binomial(k: u64, n: u64, p: f64) -> f64 {
    match (k, n) {
        (0, _) => return 0.0,
        (k, n) if k > n || p <= 0.0 => return f64::NEG_INFINITY,
        _ if p >= 1.0 => return 0.0,
        _ => {}
    }
    let (trials, odds) = (n as f64, p / (1.0 - p));
    let term = |i: f64| ln_choose(trials, i) + i * p.ln() + (trials - i) * (-p).ln_1p();
    upper(k, Some(n), trials * p, term, |i| (trials - i) / (i + 1.0) * odds)
}

/// ln P(X >= k) of `n` trials whose rate is itself drawn for each subject: `mean` on average, and two trials of one
/// subject are alike with correlation `rho`. The variance is that of the binomial times 1 + (n - 1) rho.
pub fn beta_binomial(k: u64, n: u64, mean: f64, rho: f64) -> f64 {
    if rho <= 0.0 || mean <= 0.0 || mean >= 1.0 {
        return binomial(k, n, mean);
    }
    match (k, n) {
        (0, _) => return 0.0,
        (k, n) if k > n => return f64::NEG_INFINITY,
        _ if rho >= 1.0 => return mean.ln(),
        _ => {}
    }
    let trials = n as f64;
    let spread = (1.0 - rho) / rho;
    let (a, b) = (mean * spread, (1.0 - mean) * spread);
    let whole = ln_beta(a, b);
    let term = |i: f64| ln_choose(trials, i) + ln_beta(i + a, trials - i + b) - whole;
    let ratio = |i: f64| (trials - i) / (i + 1.0) * (i + a) / (trials - i - 1.0 + b);
    upper(k, Some(n), trials * mean, term, ratio)
}

/// ln P(X >= k) of events that come independently, `mean` on average.
pub fn poisson(k: u64, mean: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    if mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let term = |i: f64| i * mean.ln() - mean - ln_gamma(i + 1.0);
    upper(k, None, mean, term, |i| mean / (i + 1.0))
}

/// ln P(X >= k) of events that come in bursts: `mean` on average, with a variance `dispersion` times as great.
pub fn negative_binomial(k: u64, mean: f64, dispersion: f64) -> f64 {
    if dispersion <= 1.0 || mean <= 0.0 {
        return poisson(k, mean);
    }
    if k == 0 {
        return 0.0;
    }
    let shape = mean / (dispersion - 1.0);
    let q = 1.0 - 1.0 / dispersion;
    let term =
        |i: f64| ln_gamma(i + shape) - ln_gamma(shape) - ln_gamma(i + 1.0) - shape * dispersion.ln() + i * q.ln();
    upper(k, None, mean, term, |i| (i + shape) / (i + 1.0) * q)
}

/// An upper bound of [`negative_binomial`] that takes no sum, for lines that are asked for often: neighbouring terms beyond `k`
/// are at most in the ratio of the first two (or in that of the last ones, where it grows), which makes a geometric series.
/// A line by it is hardly above the true one, but for scatter that is great where less than one is expected.
pub fn negative_binomial_bound(k: u64, mean: f64, dispersion: f64) -> f64 {
    let i = k as f64;
    if i <= mean {
        return 0.0;
    }
    if mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let (term, ratio) = if dispersion <= 1.0 {
        (i * mean.ln() - mean - ln_gamma(i + 1.0), mean / (i + 1.0))
    } else {
        let shape = mean / (dispersion - 1.0);
        let q = 1.0 - 1.0 / dispersion;
        let term = ln_gamma(i + shape) - ln_gamma(shape) - ln_gamma(i + 1.0) - shape * dispersion.ln() + i * q.ln();
        (
            term,
            ((i + shape) / (i + 1.0) * q).max(if shape < 1.0 { q } else { 0.0 }),
        )
    };
    if ratio >= 1.0 {
        return 0.0;
    }
    (term - (-ratio).ln_1p()).min(0.0)
}

/// The smallest count whose tail is at most `alpha`; `most` + 1 where there is none up to `most`. The tail falls with the
/// count.
pub fn least(alpha: f64, most: u64, tail: impl Fn(u64) -> f64) -> u64 {
    let limit = alpha.ln();
    let is_rare = |k: u64| tail(k) <= limit;
    // Invariant: `low` is not rare (or is 0), `high` is, or is `most` + 1.
    let (mut low, mut high) = (0, 1.min(most));
    while high < most && !is_rare(high) {
        (low, high) = (high, high.saturating_mul(2).min(most));
    }
    if !is_rare(high) {
        return most.saturating_add(1);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if is_rare(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Sums a tail: upwards from `k`, or where that is most of the whole, what is below it.
fn upper(k: u64, last: Option<u64>, mean: f64, term: impl Fn(f64) -> f64, ratio: impl Fn(f64) -> f64) -> f64 {
    if k as f64 > mean {
        let (mut sum, mut part) = (1.0, 1.0);
        let last = last.unwrap_or(u64::MAX).min(k.saturating_add(MOST_TERMS));
        for i in k..last {
            let r = ratio(i as f64);
            part *= r;
            sum += part;
            if r < 1.0 && part * r / (1.0 - r) < sum * PRECISION {
                break;
            }
        }
        return (term(k as f64) + sum.ln()).min(0.0);
    }
    let below = k - 1;
    let (mut sum, mut part) = (1.0, 1.0);
    for i in (below.saturating_sub(MOST_TERMS)..below).rev() {
        part /= ratio(i as f64);
        sum += part;
        if part < sum * PRECISION / MOST_TERMS as f64 {
            break;
        }
    }
    let lower = (term(below as f64) + sum.ln()).exp();
    (-lower.min(1.0)).ln_1p()
}

fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// Trials up to which every number has its own line.
const EXACT: u32 = 64;
/// Steps of an octave above that. The line of a step is that of its end: up to a ninth higher than need be.
const STEPS: u32 = 8;
/// Trials beyond which the line is a share of them. That share falls slowly: what is lost is on the quiet side.
const MOST_TRIALS: u32 = 1 << 16;
/// Lines kept: 64, and 8 for each of the 10 octaves from 64 to 65,536.
const LINES: usize = (EXACT + STEPS * (MOST_TRIALS.ilog2() - EXACT.ilog2())) as usize + 1;

/// How many of `n` tries may fail: the line of a beta-binomial, worked out when it is first asked for and then kept. 600
/// bytes.
#[derive(Clone, Debug)]
pub struct Line {
    mean: f64,
    rho: f64,
    alpha: f64,
    /// 0 = not asked for yet.
    lines: Box<[u32; LINES]>,
}

impl Line {
    /// For a share of `mean`, with correlation `rho` within a subject, at the risk `alpha`.
    pub fn new(mean: f64, rho: f64, alpha: f64) -> Self {
        Self {
            mean,
            rho,
            alpha,
            lines: Box::new([0; LINES]),
        }
    }

    /// The share that is expected.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The smallest number of failures among `trials` that chance does not explain; more than `trials` where so few say
    /// nothing.
    pub fn at(&mut self, trials: u32) -> u32 {
        if trials > MOST_TRIALS {
            let line = u64::from(self.at(MOST_TRIALS)) * u64::from(trials);
            return u32::try_from(line.div_ceil(MOST_TRIALS.into())).unwrap_or(u32::MAX);
        }
        let (index, upto) = rung(trials);
        let kept = self.lines[index];
        if kept != 0 {
            return kept;
        }
        let n = u64::from(upto);
        let line = least(self.alpha, n, |k| beta_binomial(k, n, self.mean, self.rho));
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.lines[index] = line;
        line
    }
}

/// The place of a number of trials, and the greatest that shares it.
fn rung(trials: u32) -> (usize, u32) {
    if trials <= EXACT {
        return (trials as usize, trials);
    }
    // 65 to 128 is the first octave; each is cut into 8 parts, the last number of each being its end.
    let before = trials - 1;
    let octave = before.ilog2();
    let part = ((before - (1 << octave)) * STEPS) >> octave;
    let upto = (1 << octave) + (((part + 1) << octave) / STEPS);
    ((EXACT + (octave - EXACT.ilog2()) * STEPS + part + 1) as usize, upto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ln: f64, expected: f64) {
        let off = (ln - expected.ln()).abs();
        assert!(off < 1e-9, "{} is not {expected}", ln.exp());
    }

    #[test]
    fn the_gamma_function_of_whole_numbers_is_the_factorial() {
        let mut factorial: f64 = 1.0;
        for n in 1..25u32 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-12, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
    }

    // By hand, or as fractions.
    #[test]
    fn tails_are_those_of_the_tables() {
        check(binomial(1, 2, 0.5), 0.75);
        check(binomial(10, 10, 0.05), 0.05f64.powi(10));
        check(binomial(0, 10, 0.05), 1.0);
        check(binomial(2, 10, 0.05), 0.086_138_355_899_337_55);
        check(poisson(1, 2.0), 1.0 - (-2.0f64).exp());
        check(poisson(3, 2.0), 1.0 - 5.0 * (-2.0f64).exp());
        // A geometric distribution: P(X >= k) = q^k, with mean 1 and variance 2.
        check(negative_binomial(30, 1.0, 2.0), 0.5f64.powi(30));
        // Uniform over 0..=n where a = b = 1.
        check(beta_binomial(8, 10, 0.5, 1.0 / 3.0), 3.0 / 11.0);
        check(beta_binomial(2, 10, 0.5, 1.0 / 3.0), 9.0 / 11.0);
        assert!(binomial(11, 10, 0.5).is_infinite() && poisson(1, 0.0).is_infinite());
    }

    // Term by term, where that is possible.
    #[test]
    fn tails_are_the_sum_of_their_terms() {
        for (n, p) in [(7u64, 0.3f64), (40, 0.05), (120, 0.9)] {
            let term =
                |i: u64| (ln_choose(n as f64, i as f64)).exp() * p.powi(i as i32) * (1.0 - p).powi((n - i) as i32);
            for k in 1..=n {
                let sum: f64 = (k..=n).map(term).sum();
                let tail = binomial(k, n, p).exp();
                assert!((tail - sum).abs() < 1e-11 * sum.max(1e-3), "{n} {p} {k}: {tail} {sum}");
            }
        }
    }

    #[test]
    fn the_wide_ones_have_the_plain_ones_as_limits() {
        for k in [1, 5, 20, 60] {
            let (wide, plain) = (beta_binomial(k, 200, 0.05, 1e-9), binomial(k, 200, 0.05));
            assert!((wide - plain).abs() < 1e-4, "{k}: {wide} {plain}");
            let (wide, plain) = (negative_binomial(k, 10.0, 1.0 + 1e-9), poisson(k, 10.0));
            assert!((wide - plain).abs() < 1e-4, "{k}: {wide} {plain}");
            assert!(beta_binomial(k, 200, 0.05, 0.02) > binomial(k, 200, 0.05) || k < 10);
        }
    }

    #[test]
    fn the_bound_is_above_and_near() {
        for mean in [0.01, 1.0, 30.0, 2_000.0] {
            for dispersion in [1.0, 1.5, 20.0, 300.0] {
                for alpha in [1e-4, 1e-8, 1e-12] {
                    let exact = least(alpha, 1 << 20, |k| negative_binomial(k, mean, dispersion));
                    let bound = least(alpha, 1 << 20, |k| negative_binomial_bound(k, mean, dispersion));
                    let off = (bound - exact) as f64 / (exact as f64 - mean);
                    assert!(
                        bound >= exact && (off < 0.25 || mean < 1.0),
                        "{mean} {dispersion} {alpha}: {exact} {bound}"
                    );
                }
            }
        }
    }

    #[test]
    fn far_out_nothing_vanishes() {
        let far = binomial(5_000, 10_000, 0.05);
        assert!(far.is_finite() && far < -3_000.0, "{far}");
        assert!(poisson(100_000, 10.0).is_finite());
    }

    #[test]
    fn the_line_is_the_first_count_beyond_the_risk() {
        for alpha in [1e-2, 1e-6, 1e-12] {
            for n in [5u64, 30, 1_000] {
                let tail = |k| beta_binomial(k, n, 0.05, 0.02);
                let line = least(alpha, n, tail);
                assert!(line > n || tail(line) <= alpha.ln(), "{n} {alpha}");
                assert!(tail(line - 1) > alpha.ln(), "{n} {alpha}");
            }
        }
        assert_eq!(least(1e-9, 3, |k| binomial(k, 3, 0.5)), 4);
    }

    #[test]
    fn kept_lines_are_never_below_the_true_ones() {
        let mut line = Line::new(0.05, 0.02, 1e-8);
        for n in [0u32, 1, 10, 64, 65, 72, 73, 127, 128, 129, 1_000, 5_000, 65_536] {
            let (index, upto) = rung(n);
            assert!(
                index < LINES && upto >= n && f64::from(upto) <= f64::from(n.max(64)) * 1.13,
                "{n}: {upto}"
            );
            let exact = least(1e-8, n.into(), |k| beta_binomial(k, n.into(), 0.05, 0.02));
            let kept = line.at(n);
            assert_eq!(kept, line.at(n));
            assert!(
                u64::from(kept) >= exact.min(u64::from(kept)) && u64::from(kept) >= exact,
                "{n}: {kept} {exact}"
            );
            assert!(u64::from(kept) <= exact + exact / 7 + 1, "{n}: {kept} {exact}");
        }
        assert!(line.at(1_000_000) > line.at(65_536));
        // What lies between two lines falls with none of them.
        let lines: Vec<u32> = (1..5_000).map(|n| line.at(n)).collect();
        assert!(lines[63..].is_sorted());
    }
}
