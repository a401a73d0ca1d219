"""The peers that run from their published weights: known figures, arithmetic by hand, the command."""
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from loading import load_tool
from torch import nn

from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.evaluation.metrics import paired_quality
from isalux_mm.io.images import read_image, write_image

run_peer = load_tool('run_peer')
catalog = sys.modules['peers.catalog']
FILES = dict(
    zero_dce=('zero_dce_Epoch99.pth', ), sgz=('sgz_Epoch99.pth', ), sci=('sci_medium.pt', ), ruas=('ruas_lol.pt', ),
    ruas_undenoised=('ruas_upe.pt', ), pairlie=('PairLIE.pth', ), pairlie_lol=('PairLIE.pth', ),
    iat=('iat_best_Epoch_lol_v1.pth', ),
    uretinex=('uretinex_init_low.pth', 'uretinex_unfolding.pth', 'uretinex_L_adjust.pth'))
PARAMETERS = dict(  # counted in the published files, training's parts left out
    zero_dce=79_416, sgz=10_561, sci=258, ruas=3_438, ruas_undenoised=1_161, pairlie=341_767, pairlie_lol=341_767,
    iat=91_154, uretinex=340_105)


@pytest.fixture(scope='module')
def method(shared_data):
    """Gives a peer by name; skipped where its weights are not at hand."""
    def load(name: str) -> catalog.Method:
        paths = [shared_data / 'weights/llie' / file for file in FILES.get(name, ())]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            pytest.skip(f'no published weights of {name}: {missing}')
        return catalog.load_method(name, paths)[0]
    return load


def quality(method: catalog.Method, low: Path, gt: Path) -> np.ndarray:
    """Raw and GT-mean PSNR and SSIM of the result as the 8 bits that a file would hold."""
    result = np.round(method(read_image(low)) * 255).astype(np.float32) / 255
    return np.array(paired_quality(to_tensor(result), to_tensor(read_image(gt))))


# raw PSNR and SSIM, then GT-mean, of eval15's first picture: measured when all 15 had the figures below
FIRST = dict(
    zero_dce=(13.806, 0.6852, 21.470, 0.6568), sgz=(16.576, 0.7093, 21.872, 0.6734),
    sci=(17.655, 0.6880, 20.018, 0.6783), ruas=(18.152, 0.6757, 18.070, 0.6747),
    ruas_undenoised=(12.984, 0.5533, 18.490, 0.6690), pairlie=(17.064, 0.8248, 19.302, 0.8089),
    iat=(22.868, 0.8784, 25.503, 0.8843), uretinex=(20.208, 0.8940, 21.148, 0.8922))
# means over eval15 that the authors' own code and weights gave on this protocol
BY_THEIR_CODE = dict(
    zero_dce=(14.86, 0.559, 21.06, 0.535), iat=(23.38, 0.808, 25.27, 0.815),
    pairlie=(18.50, 0.748, 23.51, 0.755), pairlie_lol=(19.52, 0.736, 23.16, 0.753))
# raw means that papers print; for SCI and RUAS their scripts cut values off to 8 bits where ours round
PRINTED = dict(zero_dce=(14.86, 0.562), sci=(14.78, 0.525), ruas=(16.40, 0.503), pairlie_lol=(19.51, 0.736),
               iat=(23.38, 0.809))


@pytest.mark.parametrize('name', FIRST)
def test_figures_of_a_picture(name, method, shared_data):
    pairs = shared_data / 'lol_v1/eval15'
    found = quality(method(name), pairs / 'low/1.png', pairs / 'high/1.png')
    assert found == pytest.approx(FIRST[name], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted({*BY_THEIR_CODE, *PRINTED}))
def test_known_figures_of_the_benchmark(name, method, shared_data):
    pairs = shared_data / 'lol_v1/eval15'
    enhance = method(name)
    found = np.mean([quality(enhance, low, pairs / 'high' / low.name) for low in (pairs / 'low').iterdir()], axis=0)
    if name in BY_THEIR_CODE:
        psnr, ssim, psnr_mean, ssim_mean = BY_THEIR_CODE[name]
        assert found[::2] == pytest.approx((psnr, psnr_mean), abs=0.01)
        assert found[1::2] == pytest.approx((ssim, ssim_mean), abs=0.001)
    if name in PRINTED:
        psnr, ssim = PRINTED[name]
        assert found[0] == pytest.approx(psnr, abs=0.15) and found[1] == pytest.approx(ssim, abs=0.005)


@pytest.mark.parametrize('name', catalog.PEERS)
def test_parameters(name):
    assert sum(p.numel() for p in catalog.PEERS[name].build().parameters()) == PARAMETERS[name]


@pytest.mark.parametrize('name', catalog.PEERS)
def test_odd_sizes_and_black(name, picture):
    torch.manual_seed(0)
    network = catalog.PEERS[name].build().eval()
    with torch.no_grad():
        assert network(picture).shape == picture.shape and network(picture[..., :36, :52]).isfinite().all()
        assert network(torch.zeros_like(picture)).isfinite().all()


@pytest.mark.parametrize('name', catalog.PEERS)
def test_every_parameter_is_used(name):
    torch.manual_seed(0)
    network = catalog.PEERS[name].build()
    network(torch.rand(1, 3, 36, 48)).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_curve_by_hand():
    # x = 0.5, a = -1: 0.5 + 0.25 = 0.75; then a = 0.5: 0.75 + 0.5 (0.5625 - 0.75) = 0.65625
    image = torch.full((1, 3, 1, 1), 0.5)
    curves = torch.tensor([-1.0, 0.5]).repeat_interleave(3).view(1, 6, 1, 1)
    found = sys.modules['peers.curves'].brighten(image, curves)
    assert found.flatten().tolist() == [0.65625] * 3


def test_brightest_of_four_by_hand():
    image = torch.tensor([[1.0, 2.0, 3.0], [9.0, 5.0, 4.0], [6.0, 7.0, 0.0]]).view(1, 1, 3, 3)
    expected = [[9, 5, 4], [9, 7, 4], [7, 7, 0]]  # the pixel, its right, its lower and its lower right neighbour
    assert sys.modules['peers.ruas'].brightest_of_four(image)[0, 0].tolist() == expected


def test_sci_divides_by_its_illumination(picture):
    network = catalog.PEERS['sci'].build().eval()
    nn.init.zeros_(network.out_conv[0].weight)
    nn.init.constant_(network.out_conv[0].bias, -100)  # sigmoid 0: the illumination is the picture itself
    assert torch.allclose(network(picture), torch.ones_like(picture))


def test_the_step_of_uretinex_solves_its_least_squares():
    # R and L as they were, with weights of zero at an image that is their product: P and Q stay
    network = catalog.PEERS['uretinex'].build().eval()
    for part in ('initialization', 'unfolding'):
        for p in network.get_submodule(part).parameters():
            nn.init.zeros_(p)
    nn.init.constant_(network.get_parameter('initialization.model_R.decom.6.bias'), 0.5)
    nn.init.constant_(network.get_parameter('unfolding.model_L.conv5.bias'), 0.5)
    image = torch.full((1, 3, 4, 4), 0.25)
    with torch.no_grad():
        reflectance, illumination = network.decompose(image)
    torch.testing.assert_close(reflectance, torch.full_like(image, 0.5))
    assert (illumination == 0.5).all()


@pytest.mark.parametrize('name', catalog.CLASSICAL)
def test_classical_methods_are_where_they_should_be(name):
    ramp = np.linspace(0, 0.2, 64 * 64, dtype=np.float32).reshape(64, 64, 1).repeat(3, axis=2)
    result = catalog.load_method(name)[0](ramp)
    assert result.shape == ramp.shape and result.dtype == np.float32
    low, high = dict(input=(0.09, 0.11), gamma=(0.42, 0.48), equalize=(0.48, 0.52), clahe=(0.15, 0.6))[name]
    assert low < result.mean() < high


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(dict(nothing=torch.zeros(1)), path)
    with pytest.raises(ValueError, match='do not fit ZeroDCE'):
        catalog.load_network('zero_dce', [path])
    with pytest.raises(ValueError, match='needs 3 files of weights'):
        catalog.load_network('uretinex', [path])
    with pytest.raises(ValueError, match='has no weights'):
        catalog.load_method('clahe', [path])
    with pytest.raises(FileNotFoundError, match='must be an existing file'):
        catalog.load_network('iat', [tmp_path / 'none.pth'])


class Planted:
    def __reduce__(self):
        return open, ('planted', 'w')


def test_weights_run_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=dict(), opts=Planted()), 'weights.pth')
    with pytest.raises(ValueError, match='plain data'):
        catalog.load_network('sci', [Path('weights.pth')])
    assert not Path('planted').exists()


def test_options_of_a_training_beside_the_weights_are_let_pass(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.ones(1)), opts=Namespace(path='x')), tmp_path / 'weights.pth')
    assert list(sys.modules['peers.weights'].read_published(tmp_path / 'weights.pth')) == ['a']


def test_the_command(tmp_path, capsys):
    for name in ('a.jpg', 'night/b.png'):
        write_image(tmp_path / 'in' / name, np.full((24, 36, 3), 0.1, np.float32))
    (tmp_path / 'in/broken.png').write_bytes(b'no picture')
    network = catalog.PEERS['sci'].build()
    torch.save({f'enhance.{key}': value for key, value in network.state_dict().items()}, tmp_path / 'sci.pt')
    words = ['sci', '--weights', tmp_path / 'sci.pt', '--inputs', tmp_path / 'in', '--out', tmp_path / 'out']
    assert run_peer.main([str(word) for word in words]) == 1  # one could not be read
    record = json.loads((tmp_path / 'out/run.json').read_text())
    assert set(record['seconds']) == {'a.png', 'night/b.png'} and record['parameters'] == 258
    assert list(record['weights']) == ['sci.pt'] and len(record['weights']['sci.pt']) == 12
    assert 'broken.png' in record['failures'][0] and str(tmp_path) not in json.dumps(record)
    expected = catalog.as_method(network.eval())(read_image(tmp_path / 'in/night/b.png'))
    assert np.abs(read_image(tmp_path / 'out/night/b.png') - expected).max() <= 0.5 / 255 + 1e-6
    assert 'SCI: 2 pictures' in capsys.readouterr().out
    assert run_peer.main([str(word) for word in words]) == 2
    assert 'exists; overwrite (--overwrite)' in capsys.readouterr().err
    assert run_peer.main([str(word) for word in (*words, '--overwrite')]) == 1
    assert run_peer.main(['input', '--inputs', str(tmp_path / 'nothing'), '--out', str(tmp_path / 'new')]) == 2


def test_the_list_names_all(capsys):
    assert run_peer.main(['--list']) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(catalog.NAMES)
