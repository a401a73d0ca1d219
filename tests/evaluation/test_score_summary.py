"""Summaries and comparisons by hand, and their tables."""
import json
import math

import pytest
import scipy.stats

from isalux_mm.evaluation.score_summary import (
    as_json,
    compare,
    comparison_table,
    remarks,
    row_table,
    summarize,
    summary_table,
)
from isalux_mm.functional.confidence import bootstrap_mean

NAN, INFINITE = float('nan'), float('inf')
PSNR = dict(a=20.0, b=22.0, c=30.0, d=24.0)


def test_summary_by_hand():
    found = summarize('PSNR', PSNR)
    assert (found.pictures, found.mean, found.median, found.worst, found.worst_value) == (4, 24, 23, 'a', 20)
    assert (found.low, found.high) == bootstrap_mean([20, 22, 30, 24])
    assert summarize('NIQE', PSNR).worst == 'c'  # lower is better


def test_equal_pictures_count_100_db():
    """And so does what rounding of doubles makes of them, 320 dB say."""
    found = summarize('PSNR', dict(PSNR, e=INFINITE, f=320.0))
    assert (found.pictures, found.capped, found.without) == (6, 2, 0)
    assert found.mean == pytest.approx((96 + 200) / 6)
    assert remarks([found]) == ['PSNR: 2 of 6 pictures are equal to their references, to rounding at least, and '
                                'count as 100 dB']


def test_pictures_without_value_are_left_out():
    found = summarize('NIQE', dict(a=3.0, b=NAN, c=5.0))
    assert (found.pictures, found.without, found.mean) == (2, 1, 4)
    assert remarks([found]) == ['NIQE: 1 of 3 pictures have no value, and are left out']
    assert '| NIQE ↓ | 4.00 |' in summary_table([found])


def test_no_value_at_all():
    found = summarize('NIQE', dict(a=NAN))
    assert found.pictures == 0 and math.isnan(found.mean)
    assert '| NIQE ↓ | - | - | - | - | - | 0 |' in summary_table([found])
    assert '| x | 0 | - [-] |' in row_table(dict(x=[found]))
    assert json.loads(json.dumps(as_json(found), allow_nan=False))['mean'] is None


def test_comparison_by_hand():
    second = dict(a=19.0, b=22.5, c=26.0, d=24.0, e=50.0)
    found = compare('PSNR', PSNR, second)  # +1, -0.5, +4, 0; e has no partner
    assert (found.pictures, found.better, found.worse, found.mean) == (4, 2, 1, 1.125)
    assert found.farthest == (('c', 4.0), ('a', 1.0), ('b', -0.5), ('d', 0.0))
    assert (found.low, found.high) == bootstrap_mean([1, -0.5, 4, 0])
    assert found.p == scipy.stats.wilcoxon([1, -0.5, 4, 0]).pvalue
    turned = compare('CIEDE2000', PSNR, second)
    assert (turned.better, turned.worse) == (1, 2)  # lower is better


def test_comparison_of_equal_pictures():
    """Two methods that are both perfect differ by nothing, not by what infinity less infinity is."""
    found = compare('PSNR', dict(a=INFINITE, b=20.0), dict(a=INFINITE, b=INFINITE))
    assert found.farthest == (('b', -80.0), ('a', 0.0))


def test_nothing_in_common():
    found = compare('PSNR', dict(a=1.0), dict(b=1.0))
    assert found.pictures == 0 and math.isnan(found.p)
    assert '| PSNR ↑ | - | - | 0 of 0 | 0 of 0 | - | - |' in comparison_table([found])


def test_tables():
    found = summarize('PSNR', PSNR)
    interval = f'{found.low:.2f} to {found.high:.2f}'
    assert summary_table([found]).splitlines()[2] == f'| PSNR ↑ | 24.00 dB | {interval} | 23.00 | 20.00 | a | 4 |'
    assert row_table(dict(Ours=[found])).splitlines() == [
        '| method | pictures | PSNR ↑ |', '|---|--:|--:|', f'| Ours | 4 | 24.00 [{interval}] |']
    row = comparison_table([compare('PSNR', PSNR, dict(PSNR, c=26.0))]).splitlines()[2]
    assert row.startswith('| PSNR ↑ | +1.00 |') and row.endswith('| c (+4.00), a (+0.00), b (+0.00), d (+0.00) |')
