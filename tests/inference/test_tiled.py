"""Tiles of an image give what the untiled image gives, without seams, in bounded memory."""
import json
import subprocess
import sys

import cv2
import pytest
import torch
from processes import environment

from isalux_mm.inference import tiled
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.tiled import enhance_tiled
from isalux_mm.models import EnhancementNetwork
from isalux_mm.registry import MODELS

SEMANTIC = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=5,
                module_args=dict(in_channels=3, out_channels=5, kernel_size=8, stride=8, padding=4))
OPTIONS = {
    'both priors': dict(semantic_prior=SEMANTIC),
    'brightened': dict(base='gamma', brightened_input=True),
    'plain form': dict(attention=dict(type='HISAAttention', form='plain')),
    'dense FFN': dict(ffn=dict(type='DenseFFN')),
}


def build(**changes):
    torch.manual_seed(0)
    network = MODELS.build({**dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                                   semantic_prior=dict(type='NoPrior')), **changes}).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def scene(height=150, width=213, count=1):
    """Dark on the left, bright on the right, with texture: no two tiles have the same statistics."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 7, 9, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode='bicubic').clamp(0, 1)
    texture = 0.1 * torch.rand(count, 3, height, width, generator=generator)
    return (smooth * torch.linspace(0.05, 0.9, width) + texture * torch.linspace(1, 0, height).view(-1, 1)).clamp(0, 1)


@pytest.mark.parametrize('prepared', [True, False])
@pytest.mark.parametrize('name', OPTIONS)
@torch.no_grad()
def test_tiles_equal_the_whole(name, prepared):
    network, image = build(**OPTIONS[name]), scene()
    expected = network(image)
    subject = prepare_for_inference(network) if prepared else network
    got = enhance_tiled(subject, image, tile=90)
    assert (got - expected).abs().max() < 1e-4  # three scales of 3x3 convolutions: 22 pixels are seen, 30 are there
    assert (got - expected).abs().mean() < 1e-6
    by_itself = enhance_tiled(subject, image, tile=90, statistics='own')
    assert (by_itself - expected).abs().mean() > 1e-3, 'the test needs tiles with statistics of their own'


@pytest.mark.parametrize('prepared', [True, False])
@torch.no_grad()
def test_safeguards_are_those_of_the_whole(prepared):
    network = build(base='gamma', safeguards=('fade', 'gray', 'black'))
    image = scene()
    image[..., 60:120, 40:160] *= 0.01  # nearly black and nearly grey
    subject = prepare_for_inference(network) if prepared else network
    got = enhance_tiled(subject, image, tile=132, overlap=44)  # the outer quarter, 11 pixels, is what a place looks at
    assert (got - network(image)).abs().max() < 1e-5
    assert not torch.equal(network(image), build(base='gamma')(image))


@torch.no_grad()
def test_images_of_a_batch_have_their_own_statistics():
    network, images = build(), scene(count=2) * torch.tensor([1., 0.2]).view(2, 1, 1, 1)
    torch.testing.assert_close(enhance_tiled(network, images, tile=90), network(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network(images[:1]), network(images)[:1])  # nothing stays behind


@pytest.mark.parametrize('network', [dict(type='CurveNetwork', channels=4), dict(type='GammaCurve'),
                                     dict(type='Identity')], ids=lambda n: n['type'])
@torch.no_grad()
def test_networks_without_statistics_of_the_image(network):
    torch.manual_seed(0)
    network, image = MODELS.build(network).eval(), scene()
    for subject in (network, prepare_for_inference(network)):
        torch.testing.assert_close(enhance_tiled(subject, image, tile=96), network(image), rtol=1e-5, atol=1e-5)


class Levelled(EnhancementNetwork):
    """Decides by the mean of the whole image, and by nothing else."""

    def whole(self, image):
        return super().whole(image)._replace(exponent=image.mean(dim=(1, 2, 3), keepdim=True))

    def forward(self, image, *, tile=None):
        return image * (self.whole(image) if tile is None else tile).exponent


def test_a_network_of_ones_own_gets_what_it_takes_from_the_whole():
    network, image = Levelled().eval(), scene()
    for subject in (network, prepare_for_inference(network)):
        for statistics in ('whole', 'own'):
            torch.testing.assert_close(enhance_tiled(subject, image, tile=96, statistics=statistics), network(image))
    part = image[..., :40]
    found, routings = prepare_for_inference(network).forward_with_routing(part, tile=network.whole(image))
    torch.testing.assert_close(found, network(image)[..., :40])
    assert routings == []


def edges_at_borders(difference, places):
    """Mean step of a difference (3, H, W) across the borders and blends of tiles, over its mean step elsewhere."""
    steps = difference.diff(dim=2).abs().mean(dim=(0, 1))
    at = torch.zeros(len(steps), dtype=torch.bool)
    for span in places.columns:
        at[max(span.start - 1, 0):span.start + span.before] = True
        at[span.stop - span.after - 1:span.stop] = True
    return (steps[at].mean() / steps[~at].mean()).item()


@torch.no_grad()
def test_no_seams_in_a_photograph_with_the_packaged_weights(shared_data):
    """Mean difference far below 1/255, no edge of it where tiles meet; tiles by themselves differ visibly."""
    from pathlib import Path

    from isalux_mm.models.pretrained import load_weights
    path = min((shared_data / 'noref' / 'LIME').glob('*'), key=lambda p: p.stat().st_size)
    picture = cv2.imread(str(path))[..., ::-1].copy()
    image = torch.from_numpy(picture).permute(2, 0, 1)[None, :, :241, :333].float() / 255
    network = MODELS.build(dict(type='ISALux', semantic_prior=dict(type='NoPrior'), brightened_input=True)).eval()
    weights = Path(tiled.__file__).parents[1] / 'weights' / 'isalux_zero_shot.safetensors'
    load_weights(network, weights, name='network', prefix='network.')
    prepared = prepare_for_inference(network)
    whole, places = prepared(image), tiled.Places(prepared, image.shape[2:], 192, 64)
    shared = (enhance_tiled(prepared, image, tile=192, overlap=64) - whole)[0]
    alone = (enhance_tiled(prepared, image, tile=192, overlap=64, statistics='own') - whole)[0]
    assert shared.abs().mean() < 0.05 / 255 and shared.abs().max() < 1 / 255
    assert alone.abs().mean() > 1 / 255
    visible = shared.clone()
    visible[visible.abs() < 0.05 / 255] = 0  # rounding has its own pattern
    assert visible.abs().sum() == 0 or edges_at_borders(visible, places) < 2


def test_size_decides_when_nothing_is_asked(monkeypatch):
    network = build()
    prepared, cpu = prepare_for_inference(network), torch.device('cpu')
    assert tiled.suitable_tile(prepared, 4000 * 6000, cpu) == 0
    assert tiled.suitable_tile(prepared, 6000 * 8000, cpu) == tiled.TILE
    assert tiled.suitable_tile(network, 1024 * 1024, cpu) == 0
    assert tiled.suitable_tile(network, 1080 * 1920, cpu) == tiled.TILE
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda device: (4 * 2**30, 80 * 2**30))
    cuda = torch.device('cuda', 0)
    assert tiled.suitable_tile(prepared, 800 * 800, cuda) == 0
    assert tiled.suitable_tile(prepared, 1000 * 1000, cuda) == tiled.TILE
    seen = []
    network.register_forward_hook(lambda m, i, o: seen.append(tuple(i[0].shape[2:])))
    image = scene(60, 80)
    enhance_tiled(network, image, tile=0)
    enhance_tiled(network, image)
    monkeypatch.setattr(tiled, 'WHOLE_BYTES', 1000 * tiled.BYTES_PER_PIXEL)
    monkeypatch.setattr(tiled, 'TILE', 48)
    enhance_tiled(network, image)
    assert seen[:2] == [(60, 80)] * 2 and len(seen) > 4 and all(max(size) <= 48 for size in seen[2:])


@torch.no_grad()
def test_statistics_of_an_enormous_image_come_from_a_smaller_one(monkeypatch):
    network = build(ffn=dict(type='MoEFFN', gate=dict(type='SoftGate')))
    image, sizes = scene(), []
    expected = network(image)
    monkeypatch.setattr(tiled, 'STRIP_PIXELS', 8000)
    prepared = prepare_for_inference(network)
    prepared.strips.register_forward_hook(lambda m, i, o: sizes.append(i[0].shape[2] * i[0].shape[3]))
    got = enhance_tiled(prepared, image, tile=90)
    assert sizes[0] <= 8000
    own = enhance_tiled(prepared, image, tile=90, statistics='own')
    assert (got - expected).abs().mean() < (own - expected).abs().mean() / 2


@pytest.mark.parametrize('options, message', [
    (dict(tile=-1), 'tile must be at least 0 pixels, or None, got -1'),
    (dict(tile=48, overlap=30), r'overlap must be in \[0, 16\]'),
    (dict(tile=48, statistics='guessed'), "statistics must be one of .*got 'guessed'"),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        enhance_tiled(build(), scene(60, 80), **options)


MEMORY = """
import ctypes, json, re, sys, torch
import isalux_mm.models
from isalux_mm.inference import rows, tiled
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.registry import MODELS
torch.set_num_threads(1)
width, *heights = map(int, sys.argv[1:])
rows.FEATURE_CACHE_BYTES = 0  # as it is for prior features of large images, which are not kept

def kib(key):
    return int(re.search(key + r':\\s+(\\d+)', open('/proc/self/status').read())[1])

network = MODELS.build(dict(type='ISALux', depths=(1, 1, 1), semantic_prior=dict(type='NoPrior'))).eval()
network = prepare_for_inference(network)
found = []
for height in heights:
    image = torch.rand(1, 3, height, width)
    tiled.enhance_tiled(network, image[..., :64, :64])
    getattr(ctypes.CDLL(None), 'malloc_trim', id)(0)
    open('/proc/self/clear_refs', 'w').write('5')
    before = kib('VmRSS')
    tiled.enhance_tiled(network, image, tile=0)
    found.append((kib('VmHWM') - before) * 1024)
print(json.dumps(found))
"""


def additional_memory(width, *heights):
    """Peaks of a process of its own over what it held before, bytes, for images without tiles."""
    heap = dict(MALLOC_MMAP_THRESHOLD_=str(2**20))  # one that does not grow, as for large images
    done = subprocess.run([sys.executable, '-c', MEMORY, *map(str, (width, *heights))], capture_output=True, text=True,
                          env=environment(**heap))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_memory_is_bounded():
    """Features of three scales are 168 bytes a pixel; what strips of a fixed size need nearly drops out.

    A network as it was built needs about 3000.
    """
    small, large = additional_memory(384, 640, 1280)
    # resident memory, which a system that moves pages out makes look larger
    assert (large - small) / (640 * 384) < 500, 'bytes a pixel'
