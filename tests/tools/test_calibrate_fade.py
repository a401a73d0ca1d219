"""The calibration of the fade: a pipeline without chance, bins of light, a detector's losses as one number."""
import pytest
import torch

from tools.calibrate_fade import by_light, pipeline_at, total


def test_the_pipeline_has_one_darkness_and_no_flip():
    steps = [dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5),
             dict(type='isalux_mm.DarkenImage', ranges=dict(stops=(-8.0, 0.0))), dict(type='Pad')]
    found = pipeline_at(steps, 0.25, 7)
    assert found == [dict(type='LoadImageFromFile'), dict(type='isalux_mm.DarkenImage', gain=0.25, seed=7),
                     dict(type='Pad')]
    assert steps[2]['ranges']  # the config's own stays as it was


def test_a_pipeline_without_darkness_is_an_error():
    with pytest.raises(ValueError, match='must have DarkenImage'):
        pipeline_at([dict(type='Pad')], 0.5, 0)


def test_what_is_won_by_light_with_its_error():
    """Three pictures of light 0.01 to 0.02 that win 1, 2 and 3: a mean of 2, a standard error of 1 / sqrt(3)."""
    rows = [dict(light=0.012, none=5.0, enhanced=5.0 - won) for won in (1, 2, 3)]
    rows += [dict(light=0.5, none=4.0, enhanced=4.5) for _ in range(2)] + [dict(light=0.17, none=1.0, enhanced=1.0)]
    dark, bright = by_light(rows)
    assert (dark['low'], dark['high'], dark['pictures']) == (0.01, 0.02, 3)
    assert dark['won'] == pytest.approx(2) and dark['error'] == pytest.approx(3**-0.5)
    assert bright['won'] == pytest.approx(-0.5) and bright['error'] == 0


def test_lists_of_losses_are_summed_and_other_figures_left_out():
    losses = dict(loss_cls=[torch.tensor(1.0), torch.tensor(2.0)], loss_bbox=torch.tensor(0.5), acc=torch.tensor(9))
    assert total(losses) == pytest.approx(3.5)
