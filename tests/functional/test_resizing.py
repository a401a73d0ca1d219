"""Sizes and pictures reduced in proportion."""
import pytest
import torch

from isalux_mm.functional.resizing import reduced, reduced_size


@pytest.mark.parametrize(('height', 'width', 'size'), [
    (37, 53, (37, 53)), (400, 600, (256, 384)), (600, 401, (383, 256)), (1, 700, (1, 700)), (257, 1000, (256, 996)),
    (1, 1_000_000, (1, 4096)), (512, 100_000, (256, 4096)),  # 16 times 256
])
def test_reduced_size(height, width, size):
    assert reduced_size(height, width, 256) == size
    scale = min(256 / min(height, width), 1)
    assert size == (max(round(height * scale), 1), min(max(round(width * scale), 1), 16 * 256))


@pytest.mark.parametrize(('shape', 'pixels', 'size'), [
    ((1, 3, 37, 53), 37 * 53, (37, 53)), ((1, 3, 400, 600), 60_000, (200, 300)), ((1, 3, 1, 900), 9, (1, 90))])
def test_reduced(shape, pixels, size):
    """A smaller one is the same object; the mean stays, as every pixel has its share."""
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    small = reduced(image, pixels)
    assert tuple(small.shape[2:]) == size and (small is image) == (size == shape[2:])
    assert small.mean() == pytest.approx(float(image.mean()), abs=5e-3)
