"""Data preprocessor: range, channel order, padding, and what it refuses."""
import pytest
import torch

from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample


def build(**options):
    return MODELS.build(dict(type='LowLightDataPreprocessor', **options))


@pytest.mark.parametrize(('input_range', 'dtype'), [(1, torch.float32), (255, torch.uint8), (255, torch.float32),
                                                    (65535, torch.int32)])
@pytest.mark.parametrize('channel_order', ['rgb', 'bgr'])
@pytest.mark.parametrize('batched', [False, True])
def test_range_and_order(input_range, dtype, channel_order, batched, picture):
    stored = picture if input_range == 1 else (picture * input_range).round()
    expected = stored / input_range
    stored = stored.flip(1) if channel_order == 'bgr' else stored
    inputs = stored.to(dtype) if batched else [stored[0].to(dtype)]
    out = build(input_range=input_range, channel_order=channel_order)(dict(inputs=inputs))
    assert out['inputs'].dtype == torch.float32 and out['data_samples'] is None
    torch.testing.assert_close(out['inputs'], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(('divisor', 'padded'), [(1, (37, 53)), (8, (40, 56)), (32, (64, 64))])
def test_padding_is_zero_and_recorded(divisor, padded, picture):
    images = [picture[0], picture[0, :, :20, :30]]
    samples = [EnhanceDataSample() for _ in images]
    out = build(pad_size_divisor=divisor)(dict(inputs=images, data_samples=samples))
    assert tuple(out['inputs'].shape) == (2, 3, *padded)
    assert [s.img_shape for s in out['data_samples']] == [(37, 53), (20, 30)]
    assert torch.equal(out['inputs'][1, :, :20, :30], images[1])
    assert out['inputs'][1].sum() == pytest.approx(images[1].sum().item(), rel=1e-5)


@pytest.mark.parametrize(('image', 'message'), [
    (torch.rand(1, 5, 5), r'inputs\[0\] must have axes \(3 H W\), got shape \(1, 5, 5\)'),
    (torch.rand(4, 5, 5), r'\(3 H W\), got shape \(4, 5, 5\)'),
    (torch.rand(5, 5), r'\(3 H W\), got shape \(5, 5\)'),
    (torch.full((3, 2, 2), float('nan')), r'inputs\[0\] must be finite, got 12 NaN'),
    (torch.ones(3, 2, 2, dtype=torch.uint8), r'floating point in \[0, 1\] with input_range=1, got torch.uint8'),
])
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        build()(dict(inputs=[image]))


def test_bad_reference():
    sample = EnhanceDataSample()
    sample.gt_img = torch.full((3, 2, 2), float('inf'))
    with pytest.raises(ValueError, match=r'data_samples\[0\].gt_img must be finite'):
        build()(dict(inputs=[torch.rand(3, 2, 2)], data_samples=[sample]), training=True)


def test_the_check_for_nan_is_optional():
    image = torch.full((3, 2, 2), float('nan'))
    assert build(check_nan=False)(dict(inputs=[image]))['inputs'].isnan().all()


@pytest.mark.parametrize(('options', 'message'), [
    (dict(input_range=256), 'input_range must be one of'),
    (dict(channel_order='gbr'), "channel_order must be one of.*'gbr'"),
    (dict(pad_size_divisor=0), 'pad_size_divisor must be at least 1, got 0'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
