"""What a mean over few pictures is worth: bootstrap confidence intervals, and a paired test of two methods."""
import numpy as np
from scipy.stats import wilcoxon

RESAMPLES, LEVEL, SEED = 10_000, 0.95, 0  # ours
DRAWN_AT_ONCE = 1_000_000  # indices: bounds the memory


def bootstrap_mean(values: np.ndarray, *, resamples: int = RESAMPLES, level: float = LEVEL,
                   seed: int = SEED) -> tuple[float, float]:
    """Percentile interval of the mean (Efron, 1979): as many values are drawn with replacement, again and again.

    The draws depend on the seed and on the number of values alone: measures of the same pictures are resampled alike.

    Args:
        values: (N,), finite.
        resamples: how often is drawn.
        level: share of the resampled means inside the interval.
        seed: of the draws.

    Returns:
        both ends; NaN for fewer than two values.
    """
    values = np.asarray(values, dtype=np.float64)
    count = len(values)
    if count < 2:
        return float('nan'), float('nan')
    generator, means = np.random.default_rng(seed), np.empty(resamples)
    rows = max(DRAWN_AT_ONCE // count, 1)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        means[start:start + size] = values[generator.integers(count, size=(size, count))].mean(axis=1)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that paired differences are symmetric about zero, by scipy.

    Zeros are left out (Wilcoxon, 1945); 1 if nothing else is there.

    Args:
        differences: (N,), finite.
    """
    differences = np.asarray(differences, dtype=np.float64)
    if not np.any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)
