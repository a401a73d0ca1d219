"""Intervals and the paired test: against resampling by hand and against scipy."""
import numpy as np
import pytest
import scipy.stats

from isalux_mm.functional.confidence import DRAWN_AT_ONCE, bootstrap_mean, signed_rank

VALUES = np.random.default_rng(5).gamma(3, 2, 15)  # skewed, as many as LOL-v1 has test pictures


def test_bootstrap_is_resampling_by_hand():
    generator = np.random.default_rng(7)
    means = sorted(sum(VALUES[k] for k in generator.integers(15, size=15)) / 15 for _ in range(2000))
    # of 2,000 sorted means, linear interpolation at 0.025 and 0.975 of 1,999 steps
    expected = [means[k] + f * (means[k + 1] - means[k]) for k, f in ((49, 0.975), (1949, 0.025))]
    assert bootstrap_mean(VALUES, resamples=2000, seed=7) == pytest.approx(expected, abs=1e-12)


def test_bootstrap_is_scipys():
    theirs = scipy.stats.bootstrap((VALUES, ), np.mean, n_resamples=10_000, method='percentile', rng=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert bootstrap_mean(VALUES) == pytest.approx(tuple(theirs.confidence_interval), abs=0.03 * width)


def test_large_numbers_are_drawn_in_parts():
    """And come to the interval of a normal distribution: mean 0, deviation 1 / sqrt(N)."""
    count = DRAWN_AT_ONCE // 50
    values = scipy.stats.norm.ppf((np.arange(count) + 0.5) / count)
    low, high = bootstrap_mean(values, resamples=400)
    assert (low, high) == pytest.approx((-1.96 / count**0.5, 1.96 / count**0.5), abs=0.35 / count**0.5)


def test_levels_seeds_and_few_values():
    assert bootstrap_mean(VALUES) == bootstrap_mean(VALUES) != bootstrap_mean(VALUES, seed=1)
    narrow, wide = bootstrap_mean(VALUES, level=0.5), bootstrap_mean(VALUES)
    assert wide[0] < narrow[0] < VALUES.mean() < narrow[1] < wide[1]
    assert bootstrap_mean(np.full(4, 2.5)) == (2.5, 2.5)
    assert np.isnan(bootstrap_mean(VALUES[:1])).all()


def test_signed_rank_by_hand():
    """Six differences of one sign: the most extreme of 2^6 sign patterns, of two tails."""
    assert signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])) == pytest.approx(2 / 64)
    assert signed_rank(np.zeros(5)) == 1


def test_signed_rank_is_scipys():
    differences = np.random.default_rng(0).normal(0.4, 1, 40)
    assert signed_rank(differences) == scipy.stats.wilcoxon(differences, alternative='two-sided').pvalue
