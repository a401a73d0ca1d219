"""`dtype='auto'`: bfloat16 only where it is measured to be near float32 and faster; what was chosen is said."""
import argparse

import pytest
import torch
from mmengine.config import Config

from isalux_mm.apis import EnhanceInferencer, dtypes
from isalux_mm.apis.dtypes import MEASURED, Measured, chosen_dtype
from isalux_mm.cli.options import say_dtype

CPU = torch.device('cpu')
NEAR = (Measured('fast', 'a', 0.4, 0.7), Measured('fast', 'b', 0.6, 0.8), Measured('full', 'a', 3.0, 0.7))


@pytest.fixture
def able(monkeypatch):
    monkeypatch.setattr(dtypes, 'has_bfloat16', lambda: True)


@pytest.mark.parametrize('mode', ['full', 'fast'])
def test_by_today_s_table_it_is_float32(able, mode):
    """Every mode has a class that differs by more than a level."""
    assert max(row.levels for row in MEASURED if row.mode == mode) > 1
    dtype, reason = chosen_dtype(mode, CPU)
    assert dtype == 'float32' and f'levels of 255 in {mode} mode' in reason


def test_near_and_faster_is_chosen(able, monkeypatch):
    monkeypatch.setattr(dtypes, 'MEASURED', NEAR)
    assert chosen_dtype('fast', CPU) == ('bfloat16', 'within 0.6 levels of 255 of float32 in fast mode, and faster')
    assert chosen_dtype('full', CPU)[0] == 'float32'


@pytest.mark.parametrize('rows', [
    NEAR[:1] + (Measured('fast', 'b', 1.0, 0.7), ), NEAR[:1] + (Measured('fast', 'b', 0.5, 0.95), ),
    (Measured('fast', 'a', 0.4), )], ids=['a level', 'as slow', 'time not measured'])
def test_one_class_that_does_not_hold_is_enough(able, monkeypatch, rows):
    monkeypatch.setattr(dtypes, 'MEASURED', rows)
    assert chosen_dtype('fast', CPU)[0] == 'float32'


def test_without_instructions_or_on_a_gpu_it_is_float32(monkeypatch):
    monkeypatch.setattr(dtypes, 'MEASURED', NEAR)
    monkeypatch.setattr(dtypes, 'has_bfloat16', lambda: False)
    assert chosen_dtype('fast', CPU) == ('float32', 'this processor has no instructions for bfloat16')
    monkeypatch.setattr(dtypes, 'has_bfloat16', lambda: True)
    assert chosen_dtype('fast', torch.device('cuda:0')) == ('float32', 'nothing was measured on cuda')


def test_the_inferencer_says_what_and_why(able, monkeypatch, capsys):
    monkeypatch.setattr(dtypes, 'MEASURED', NEAR)
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    inferencer = EnhanceInferencer(config, device='cpu', show_progress=False, dtype='auto', mode='fast')
    assert inferencer.dtype == 'bfloat16' and inferencer.dtype_reason.startswith('within 0.6')
    for quiet in (False, True):
        say_dtype(argparse.Namespace(dtype='auto', quiet=quiet), inferencer)
    say_dtype(argparse.Namespace(dtype='bfloat16', quiet=False), inferencer)
    assert capsys.readouterr().err == ('dtype: bfloat16, within 0.6 levels of 255 of float32 in fast mode, and '
                                       'faster\n')
