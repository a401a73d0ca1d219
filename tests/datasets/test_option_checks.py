"""What datasets, transforms and samplers are told is checked when they are made, not first in a training."""
import inspect
from dataclasses import fields
from functools import partial
from math import inf, nan

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset

import isalux_mm.datasets as d
from isalux_mm.functional.degradation_ranges import DegradationRanges, Range
from isalux_mm.functional.pair_mixture import PairMixture


class Numbers(BaseDataset):
    """As many samples as it is told."""

    def __init__(self, count: int):
        self.count = count
        super().__init__(serialize_data=False)

    def load_data_list(self) -> list[dict]:
        return [dict(number=k) for k in range(self.count)]


def joined(*counts: int) -> ConcatDataset:
    return ConcatDataset([Numbers(count) for count in counts])


NO_NUMBERS = ('1', b'1', [1], {}, nan, inf, -inf)
NO_PAIRS = ((), (0.5, ), (0.5, 0.5, 0.5), (nan, 0.5), (0.5, nan), (0.5, inf), (-inf, 0.5), ('0.4', 0.5), (None, 0.5),
            '01', b'01', 0.5, {0.4: 0, 0.5: 0})
BAD = dict(
    probability=(*NO_NUMBERS, None, -0.1, 1.1),
    positive=(*NO_NUMBERS, None, 0, -0.2),
    count=(*NO_NUMBERS, 0, -4, 1.5, True),
    size=(*NO_PAIRS, (0, 8), (8, -4), (8, 1.5), (True, 8), 0, -4, True),
    interval=(*NO_PAIRS, (0.6, 0.5), (-90, 0.5), (0.5, 90)),
    mean_and_deviation=(*NO_PAIRS, (0.2, -1), (0, 0.1), (1, 0.1), (45, 4)),
    gain=(*NO_NUMBERS, 0, -0.5, 1.5),
    seed=(*NO_NUMBERS, -1, 0.5, True),
    shares=(*NO_PAIRS, None, (1, -1), (0, 0)),
    names=('pair1', b'pair1', 7, nan, dict(pair1=1), [None], [1.5]),
    indices=('1', 0, 1.5, nan, True, [], [1.5], ['1'], {1: 1}),
    steps=('LoadImages', dict(type='LoadImages'), None, 1),
    folders=('low', ['low'], None, dict(low=[]), dict(low=1), dict(low=[1.5]), dict(gt='high'), {}),
    choice=('nope', '', None, 1),
)
EVERY = dict(data_prefix=dict(low='low'))
FOLDER_OPTIONS = dict(data_prefix='folders', pipeline='steps', scenes='names', without_scenes='names', only='names',
                      leave_out='names', indices='indices')
# what is made, with what it cannot do without, and of what kind its options are
MADE = [
    (partial(d.UnpairedImageDataset, **EVERY), FOLDER_OPTIONS),
    (d.LoadImages, dict(array_order='choice')),
    (d.PairedRandomCrop, dict(crop_size='size')),
    (d.PairedRandomFlip, dict(horizontal='probability', vertical='probability')),
    (d.PairedRandomRotate90, dict(probability='probability')),
    (d.PairedResize, dict(size='size', max_side='count')),
    (partial(d.RandomResizedView, size=(8, 8)),
     dict(size='size', fraction='interval', crop_probability='probability', whole_probability='probability')),
    (d.PairedMixup, dict(alpha='positive', probability='probability', max_cached='count')),
    (d.PackEnhanceInputs, dict(meta_keys='names')),
    (d.GradeReference, dict.fromkeys(('contrast', 'neutrality', 'saturation', 'brightness'), 'interval')),
    (d.KeepLuma, dict(band='interval')),
    (d.SynthesizeLowLight,
     dict(base='choice', luma_band='interval', target_luma='mean_and_deviation', seed='seed')),
    (d.DarkenImage, dict(gain='gain', seed='seed')),
    (partial(d.SharedInfiniteSampler, joined(3, 4), shares=(1, 1)), dict(shares='shares', seed='seed')),
    (partial(d.PlacedSampler, Numbers(3), dict(type='DefaultSampler')), dict(seed='seed')),
]
# flags, texts that are only shown or joined, and what others check: configs of parts, fields (below)
NOT_HERE = {'data_root', 'layout', 'recursive', 'skip_broken', 'test_mode', 'pad_small', 'keep_reference', 'dataset',
            'sampler', 'ranges', 'mixture', 'args', 'kwargs'}


def name_of(make) -> str:
    return getattr(make, 'func', make).__name__


CASES = [pytest.param(make, option, value, id=f'{name_of(make)}-{option}-{value}')
         for make, options in MADE for option, kind in options.items() for value in BAD[kind]]


@pytest.mark.parametrize('make, option, value', CASES)
def test_an_option_that_makes_no_sense_is_refused_by_name(make, option, value):
    with pytest.raises(ValueError, match=rf'\b{option}\b.*got'):
        make(**{option: value})


def test_no_option_is_forgotten():
    """Every class of the package is in the table with all its options; an added one must say of what kind it is."""
    table = {name_of(make): {*options} for make, options in MADE}
    table |= dict.fromkeys(('ImageFolderDataset', 'PairedImageDataset', 'PhotoDataset'), table['UnpairedImageDataset'])
    for name in d.__all__:
        options = {*inspect.signature(getattr(d, name)).parameters} - NOT_HERE
        assert options == table.get(name, set()), name


BAD_FIELDS = dict(
    range=(*NO_PAIRS, (0.6, 0.5)),
    number=(*NO_NUMBERS, None, (0.1, 0.2)),
    share=(*NO_NUMBERS, None, (0.1, 0.2), -0.1, 1.1),
    flag=('no', 0, None),
    bits=(*NO_NUMBERS, None, 0, 16, 8.5))
LEAST_ZERO = {'gain_jitter', 'read_spread'}


def kind_of(field) -> str:
    if field.type in (Range, Range | None):
        return 'range'
    if field.name == 'bits':
        return 'bits'
    return 'flag' if field.type is bool else 'share' if field.name.endswith('_share') else 'number'


@pytest.mark.parametrize('option, field', [
    pytest.param(option, field, id=f'{option}-{field.name}')
    for option, kind in (('ranges', DegradationRanges), ('mixture', PairMixture)) for field in fields(kind)])
def test_a_field_that_makes_no_sense_is_refused_by_name(option, field):
    values = BAD_FIELDS[kind_of(field)]
    values += (-1, ) if field.name in LEAST_ZERO else ()
    values += (None, ) if field.type == Range else ()
    for value in values:
        with pytest.raises(ValueError, match=rf'^{field.name} must be .*got'):
            d.SynthesizeLowLight(**{option: {field.name: value}})
        if option == 'ranges':
            with pytest.raises(ValueError, match=rf'^{field.name} must be .*got'):
                d.DarkenImage({field.name: value})


@pytest.mark.parametrize(('make', 'option'), [
    pytest.param(make, option, id=f'{make.__name__}-{option}')
    for make, options in ((d.SynthesizeLowLight, ('ranges', 'mixture')), (d.DarkenImage, ('ranges', )))
    for option in options])
def test_a_field_that_is_none_is_refused_and_the_option_named(make, option):
    with pytest.raises(ValueError, match=rf"^{option} must have no keys but \['.*got \['stop', 3\]"):
        make(**{option: {'stop': (-2, -1), 3: 1}})
    for value in ([1, 2], 'jpeg_share', 5):
        with pytest.raises(ValueError, match=rf'^{option} must be a mapping of .*got'):
            make(**{option: value})


@pytest.mark.parametrize('changes', [
    dict(jpeg_quality=(0, 90)), dict(jpeg_quality=(50, 101)), dict(highlights=(-1.0, 2.0))], ids=str)
def test_ranges_have_their_bounds(changes):
    with pytest.raises(ValueError, match=r'must be in \['):
        DegradationRanges(**changes)


@pytest.mark.parametrize('make', [
    lambda: d.PairedRandomCrop(1), lambda: d.PairedRandomCrop([1, np.int64(2)]), lambda: d.PairedResize([1, 1]),
    lambda: d.PairedResize(max_side=1), lambda: d.PairedMixup(1e-3, max_cached=1), lambda: d.PairedRandomFlip(0, True),
    lambda: d.PairedMixup(np.float32(0.2), probability=np.float64(1)),
    lambda: d.RandomResizedView([1, 1], fraction=[1, 1]),
    lambda: d.SynthesizeLowLight(target_luma=[0.2, 0]), lambda: d.SynthesizeLowLight(luma_band=[0.4, 0.4], seed=0),
    lambda: d.SynthesizeLowLight(dict(stops=[-2, -1], mean_ratio=None, jpeg_quality=[1, 100])),
    lambda: d.DarkenImage(gain=1, seed=np.int64(3)), lambda: d.KeepLuma([0.05, 0.95]),
    lambda: d.SharedInfiniteSampler(joined(3, 0), [1, 0], seed=0), lambda: d.PackEnhanceInputs([])])
def test_the_last_that_makes_sense_is_taken(make):
    make()


def test_a_fraction_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r'fraction\[0\] must be positive, got 0'):
        d.RandomResizedView((8, 8), fraction=(0, 1))


def test_a_dataset_without_a_sample_has_no_share():
    """Its turn would never end."""
    with pytest.raises(ValueError, match=r'shares must be 0 for datasets without a sample, got .* at \[1\]'):
        d.SharedInfiniteSampler(joined(3, 0), (1, 1))


def test_folders_of_pairs_are_parallel():
    with pytest.raises(ValueError, match='data_prefix must hold as many folders of each kind, got'):
        d.PairedImageDataset(data_prefix=dict(low=['a', 'b'], gt=['c']))


def test_a_target_for_photographs_alone_is_not_passed_over():
    with pytest.raises(ValueError, match='mixture must be None where target_luma is given, got'):
        d.SynthesizeLowLight(mixture={}, target_luma=(0.45, 0.04))
