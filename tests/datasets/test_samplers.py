"""`SharedInfiniteSampler`: shares, even use of each dataset, resuming, ranks."""
import itertools
from collections import Counter

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset

from isalux_mm.datasets import samplers
from isalux_mm.registry import DATA_SAMPLERS


class Numbers(BaseDataset):
    """As many samples as it is told."""

    def __init__(self, count: int):
        self.count = count
        super().__init__(serialize_data=False)

    def load_data_list(self) -> list[dict]:
        return [dict(number=k) for k in range(self.count)]


@pytest.fixture
def mixed():
    """Datasets of 3, 10 and 5 samples: indices from 0, 3 and 13."""
    return ConcatDataset([Numbers(3), Numbers(10), Numbers(5)])


def first(sampler, count):
    return list(itertools.islice(iter(sampler), count))


def build(dataset, shares, seed=0):
    config = dict(type='isalux_mm.SharedInfiniteSampler', shares=shares, seed=seed)
    return DATA_SAMPLERS.build(config, default_args=dict(dataset=dataset))


def part(index):
    return 0 if index < 3 else 1 if index < 13 else 2


def test_datasets_come_in_their_shares(mixed):
    counts = Counter(part(index) for index in first(build(mixed, (5, 3, 2)), 4000))
    assert [counts[k] / 4000 for k in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert set(map(part, first(build(mixed, (1, 0, 1)), 300))) == {0, 2}


def test_each_dataset_is_seen_whole_before_it_is_seen_again(mixed):
    seen = first(build(mixed, (1, 1, 1)), 600)
    for number, size in enumerate((3, 10, 5)):
        own = [index for index in seen if part(index) == number]
        rounds = [own[k:k + size] for k in range(0, len(own) - size + 1, size)]
        assert len(rounds) > 10 and all(sorted(r) == sorted(rounds[0]) for r in rounds)
        assert len({tuple(r) for r in rounds}) > 2


def test_a_seed_fixes_the_stream_and_skipping_goes_on_in_it(mixed):
    stream = first(build(mixed, (2, 1, 1)), 50)
    assert first(build(mixed, (2, 1, 1)), 50) == stream != first(build(mixed, (2, 1, 1), seed=1), 50)
    resumed = build(mixed, (2, 1, 1))
    resumed.skip(20)
    assert first(resumed, 30) == stream[20:]
    assert len(resumed) == 18


def test_ranks_take_turns(mixed, monkeypatch):
    stream, found = first(build(mixed, (2, 1, 1)), 40), []
    for rank in (0, 1):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda rank=rank: (rank, 2))
        found.append(first(build(mixed, (2, 1, 1)), 20))
    assert found == [stream[::2], stream[1::2]]


@pytest.mark.parametrize('shares', [(1, 1), (1, -1, 1), (0, 0, 0)])
def test_bad_shares(mixed, shares):
    with pytest.raises(ValueError, match='shares must be 3 numbers of 0 or more, one above 0, got'):
        build(mixed, shares)


def test_it_needs_joined_datasets():
    with pytest.raises(TypeError, match='dataset must be a ConcatDataset, got Numbers'):
        build(Numbers(4), (1, ))
