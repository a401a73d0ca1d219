"""Pictures side by side: in order, each with its share of the threads, results as of one after the other."""
import threading
import time

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis import inferencer as module
from isalux_mm.apis.side_by_side import side_by_side

PATIENCE = 20  # seconds


@pytest.fixture
def four_threads():
    torch.set_num_threads(4)


class Maker:
    """Notes what it makes, in which thread, with how many of PyTorch's."""

    def __init__(self, work=lambda item: None):
        self.work, self.seen, self.busy = work, [], threading.Lock()

    def __call__(self, item):
        assert self.busy.acquire(blocking=False)  # one at a time
        try:
            self.seen.append((item, threading.current_thread().name, torch.get_num_threads()))
            self.work(item)
            return -item
        finally:
            self.busy.release()


def never(item):
    return False


def test_two_are_made_at_the_same_time_and_come_in_order(four_threads):
    meeting = threading.Barrier(2)
    makers = [Maker(lambda item: meeting.wait(PATIENCE)) for _ in range(2)]
    assert list(side_by_side(makers, range(6), never)) == [0, -1, -2, -3, -4, -5]
    assert [len(maker.seen) for maker in makers] == [3, 3]
    assert {threads for maker in makers for *_, threads in maker.seen} == {2}
    assert torch.get_num_threads() == 4


def test_a_slow_one_holds_back_those_behind_it(four_threads):
    makers = [Maker(lambda item: time.sleep(0.2 if item == 0 else 0)) for _ in range(2)]
    assert list(side_by_side(makers, range(5), never)) == [0, -1, -2, -3, -4]


def test_one_maker_works_here(four_threads):
    maker = Maker()
    assert list(side_by_side([maker], range(3), never)) == [0, -1, -2]
    assert {entry[1:] for entry in maker.seen} == {(threading.current_thread().name, 4)}


def test_a_large_one_is_made_alone_with_all_threads(four_threads):
    at_work, beside = set(), []

    def work(item):
        at_work.add(item)
        if item == 3:
            beside.append(set(at_work))
        time.sleep(0.01)
        at_work.remove(item)

    makers = [Maker(work) for _ in range(2)]
    assert list(side_by_side(makers, range(6), lambda item: item == 3)) == [0, -1, -2, -3, -4, -5]
    assert beside == [{3}]
    found = {item: (name, threads) for maker in makers for item, name, threads in maker.seen}
    assert found[3] == (threading.current_thread().name, 4) and found[4][1] == 2


def test_items_are_not_taken_far_ahead(four_threads):
    taken, makers = [], [Maker() for _ in range(2)]
    made = side_by_side(makers, (taken.append(item) or item for item in range(100)), never)
    next(made)
    assert len(taken) == 3
    made.close()
    assert torch.get_num_threads() == 4 and not [t for t in threading.enumerate() if 'isalux-make' in t.name]


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_an_error_comes_at_its_place(four_threads, error):
    def work(item):
        if item == 2:
            raise error('the third')

    made = side_by_side([Maker(work) for _ in range(2)], range(9), never)
    assert [next(made), next(made)] == [0, -1]
    with pytest.raises(error, match='the third'):
        next(made)
    assert torch.get_num_threads() == 4


def inferencer(**options):
    torch.manual_seed(0)
    network = dict(type='ISALux', embed_dims=(8, 8), depths=(1, 1), num_heads=(1, 1),
                   semantic_prior=dict(type='NoPrior'))
    config = Config(dict(model=dict(type='LowLightEnhancer', network=network)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('isalux_mm.apis.loading.load_network', lambda *_: None)
        return EnhanceInferencer(config, 'as built', device='cpu', show_progress=False, **options)


@pytest.fixture
def folder(tmp_path):
    """Pictures of several sizes; one broken, one transparent in part."""
    random = np.random.default_rng(0)
    (tmp_path / 'in').mkdir()
    for i in range(9):
        samples = random.integers(0, 60, (32 + i, 40, 3), np.uint8)
        if i == 5:
            alpha = np.zeros((*samples.shape[:2], 1), np.uint8)
            alpha[:20, :20] = 255
            samples = np.concatenate([samples, alpha], axis=2)
        Image.fromarray(samples).save(tmp_path / f'in/{i}.png')
    (tmp_path / 'in/3.png').write_bytes(b'broken')
    return tmp_path / 'in'


@pytest.mark.parametrize('mode', ['full', 'fast'])
def test_results_and_report_are_those_of_one_after_the_other(tmp_path, folder, mode, monkeypatch):
    monkeypatch.setitem(module.LARGE, mode, 38 * 40)  # the last ones are made alone
    one = inferencer(mode=mode)(folder, out=tmp_path / 'one')
    torch.set_num_threads(2)
    two = inferencer(mode=mode, at_once=2)(folder, out=tmp_path / 'two')
    torch.set_num_threads(1)
    assert [path and path.replace('two', 'one') for path in two['predictions']] == one['predictions']
    assert two['report'].failed == one['report'].failed and len(one['report'].failed) == 1
    for first, second in zip(sorted((tmp_path / 'one').iterdir()), sorted((tmp_path / 'two').iterdir())):
        a, b = (np.asarray(Image.open(path)).astype(int) for path in (first, second))
        assert first.name == second.name and abs(a - b).max() <= 1


def test_hands_share_nothing_that_work_changes():
    first, second = inferencer(mode='fast', at_once=2)._hands(2)
    assert first.network is not second.network and first.fast.network is not second.fast.network
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values()):
        assert torch.equal(a, b)
    first.report.fail('picture', ValueError('seen by both'))
    assert second.report.failed == {'picture': 'seen by both'}


def test_at_once_is_checked():
    with pytest.raises(ValueError, match='at_once must be at least 1, got 0'):
        inferencer(at_once=0)
