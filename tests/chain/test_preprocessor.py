"""Where a picture ends, and the way from the loaded picture to the enhancer and back."""
import pytest
import torch

from isalux_mm.chain.preprocessor import ChainDataPreprocessor, picture_size

PAD = 114


def padded(height, width, size=(50, 70)):
    image = torch.full((3, *size), PAD, dtype=torch.uint8)
    image[:, :height, :width] = torch.randint(0, 60, (3, height, width), dtype=torch.uint8)
    return image


@pytest.mark.parametrize('height', [1, 15, 17, 33, 50])
@pytest.mark.parametrize('width', [1, 16, 47, 70])
def test_a_picture_ends_where_its_padding_begins(height, width):
    assert picture_size(padded(height, width), PAD) == (height, width)


@pytest.mark.parametrize('place', [(0, 40, 3), (1, 40, 0), (2, 40, 16), (1, 40, 59)])
def test_a_line_with_one_pixel_of_another_value_belongs_to_it(place):
    image = padded(30, 60)
    image[place] = PAD + 1
    assert picture_size(image, PAD) == (41, 60)
    assert picture_size(image.float().transpose(1, 2), PAD) == (60, 41)


def test_lines_of_the_paddings_value_within_a_picture_do_not_end_it():
    image = padded(45, 60)
    image[:, 20:44] = PAD
    assert picture_size(image, PAD) == (45, 60)
    image[:, 44, :] = PAD
    image[2, 44, 7] = 0
    assert picture_size(image, PAD) == (45, 60)


@pytest.mark.parametrize('value', [PAD, 0])
def test_a_picture_of_one_value_is_a_picture(value):
    image = torch.full((3, 20, 30), value, dtype=torch.uint8)
    assert picture_size(image, PAD) == (20, 30) == picture_size(padded(20, 30, (20, 30)), None)


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_there_and_back_is_the_loaded_picture(order):
    half, loaded = ChainDataPreprocessor(order), padded(33, 70)
    unit = half.to_unit_rgb(loaded)
    assert (unit[0] * 255).round().byte().equal(loaded[2 if order == 'bgr' else 0])
    given = unit[:, :33].clone().requires_grad_()
    back = half.as_loaded(given, (50, 70))
    assert torch.equal(back, loaded.float())
    back.sum().backward()
    assert (given.grad == 255).all() and torch.equal(given, unit[:, :33])
