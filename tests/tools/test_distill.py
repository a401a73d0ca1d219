"""A small network learns from a packaged one: lessons, training, and the file that is written."""
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from isalux_mm.models.affine_network import AffineNetwork
from isalux_mm.models.isalux import gamma_brightened
from isalux_mm.models.pretrained import load_weights
from tools import distill


@pytest.mark.parametrize(('size', 'cut'), [((60, 100), (60, 80)), ((100, 60), (60, 80)), ((90, 100), (75, 100)),
                                           ((30, 40), (30, 40))])
def test_the_middle_is_cut_to_four_by_three(size, cut):
    picture = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    found = distill.cut(picture)
    assert found.shape == (*cut, 3)
    turned = picture if size[0] <= size[1] else picture.swapaxes(0, 1)
    middle = [(side - part) // 2 for side, part in zip(turned.shape, cut)]
    assert (found[0, 0] == turned[middle[0], middle[1]]).all()


def test_copies_are_dark_small_and_drawn_from_the_generator():
    picture = np.random.default_rng(0).uniform(0.4, 0.9, (90, 120, 3)).astype(np.float32)
    first, again = (distill.dark_copies(picture, 3, 24, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (3, 3, 24, 32) and torch.equal(first, again)
    assert first.mean() < 0.45 and not torch.equal(first[0], first[1])
    other = distill.dark_copies(picture, 3, 24, np.random.default_rng(6))
    assert not torch.equal(first, other)


def test_what_is_taught_is_learned():
    torch.manual_seed(0)
    low = 0.2 * torch.rand(12, 3, 24, 32)
    target = gamma_brightened(low) * torch.tensor([1.2, 1.0, 0.8]).view(3, 1, 1)
    network = AffineNetwork(8, 1)
    before = (network(low) - target).abs().mean()
    found = distill.taught(network, low, target, steps=150, batch_size=4, rate=1e-2, seed=0)
    assert (found(low) - target).abs().mean() < before / 2 and not found.training


def test_it_writes_weights_with_the_name_of_their_config(tmp_path, capsys):
    random = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(random.integers(80, 220, (48, 64, 3), np.uint8)).save(tmp_path / f'{i}.png')
    out = tmp_path / 'small.safetensors'
    command = ['configs/isalux_detect_small.py', 'isalux_detect', str(out), '--photographs', str(tmp_path), '--draws',
               '1', '--held-out', '1', '--steps', '2', '--batch-size', '2', '--short-side', '16']
    assert distill.main(command) == 0
    assert 'held out: ' in capsys.readouterr().out
    with safe_open(out, 'pt') as file:
        assert file.metadata() == dict(config='isalux_detect_small', source='isalux_detect')
    load_weights(AffineNetwork(safeguards=('fade', )), out, name='small', prefix='network.')
    with pytest.raises(SystemExit):
        distill.main(command)  # is there


def test_too_few_photographs_are_an_error(tmp_path, capsys):
    (tmp_path / 'a.png').touch()
    with pytest.raises(SystemExit):
        distill.main(['configs/isalux_detect_small.py', 'isalux_detect', str(tmp_path / 'a.safetensors'),
                      '--photographs', str(tmp_path)])
    assert 'must hold more than --held-out 20, got 1' in capsys.readouterr().err
