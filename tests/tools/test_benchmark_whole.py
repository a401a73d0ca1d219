"""The benchmark of whole commands: what a job measures, and what is made of the samples."""
import os
import sys

import pytest
from loading import load_tool

whole = load_tool('benchmark_whole')
MIB = whole.MIB


def test_a_job_counts_the_processor_and_memory_of_its_command_alone():
    code = "x = bytearray(60 * 2**20); sum(range(3_000_000)); print('noise')"
    sample = whole.Job([sys.executable, '-c', code]).run(os.environ)
    assert 60 < sample['memory'] / MIB < 150  # this process has more
    assert sample['cpu'] > 0 and sample['wall'] > 0


def test_a_command_that_measures_itself_keeps_the_memory():
    sample = whole.Job([sys.executable, '-c', 'print(\'{"wall": 0.5, "cpu": 0.25}\')'], inner=True).run(os.environ)
    assert (sample['wall'], sample['cpu']) == (0.5, 0.25) and sample['memory'] > MIB


def test_a_command_that_fails_ends_the_run():
    with pytest.raises(RuntimeError, match='failed: .*no such thing'):
        whole.Job([sys.executable, '-c', 'raise ValueError("no such thing")']).run(os.environ)


def test_medians_and_ratios():
    samples = [dict(job='import torch', round=r, wall=2.0, cpu=c, memory=MIB) for r, c in enumerate((1.0, 2.0, 4.0))]
    samples += [dict(job='cold start, fast', round=r, wall=w, cpu=3.0, memory=3 * MIB)
                for r, w in enumerate((1.5, 3.0, 2.0))]
    rows = whole.summary(samples, {'import torch': 1, 'cold start, fast': 10})
    assert rows['cold start, fast'] == dict(wall=2.0, cpu=3.0, memory=3 * MIB, rounds=3, count=10, busy=1.5, start=1.5)
    assert whole.lines_of(rows)[1] == ['cold start, fast', '2', '3', '1.50', '5', '3']
