"""The weights that travel with the package fit their config, brighten a photograph, and do no harm to what is not dark.

`MEANWHILE` is the one place that says which demand of `evaluation.harmlessness.DEMANDS` a model does not meet yet, and
what it is held to in its place. Here the exposures are measured on twelve photographs of half the size, chroma on every
fourth held-out pair, so that it takes seconds; tools/check_harmless.py measures all of them.
"""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from skimage import data

from isalux_mm.datasets.transforms import resize, to_tensor
from isalux_mm.evaluation import harmlessness
from isalux_mm.evaluation.harmlessness import DEMANDS, Demand
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.functional.illumination import halve
from isalux_mm.functional.image_quality import psnr
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.io.images import list_images, read_image
from isalux_mm.model_zoo import find_model, list_models
from isalux_mm.models.deeplab import PACKAGED
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS

MEANWHILE = {
    'isalux_detect': dict(  # for detectors, which like more contrast and colour than a photograph has
        exposure_distance=Demand('worst exposure, median photograph', most=0.2),
        chroma=Demand('its colours of LOL-v1 are strong', least=0.6, most=1.15)),
    'isalux_detect_small': dict(  # which learned from it
        psnr_worst=Demand('worst well-lit photograph, dB', least=20),
        exposure_jump=Demand('largest step between exposures', most=0.07),
        exposure_distance=Demand('worst exposure, median photograph', most=0.2),
        chroma=Demand('its colours of LOL-v1 are strong', least=0.55, most=1.15)),
    'isalux_lol': dict(  # at whole size it holds the limit
        exposure_jump=Demand('largest step between exposures', most=0.055)),
}
ROOT = Path(__file__).resolve().parents[2]
HOLDOUT = ROOT / 'configs/_base_/datasets/lol_v1_holdout.py'
PAIRS = ROOT / 'data/LOL/our485'
PHOTOGRAPHS = 'photos/bsds500/holdout'
EXPOSED, EVERY = 12, 4
PRIOR = 'network.semantic_prior.network.'


def load(name):
    found = find_model(name)
    model = MODELS.build(Config.fromfile(found.config).model).eval()
    model.load_state_dict(read_state_dict(found.weights))  # strict
    return model


@pytest.fixture(scope='module', params=list_models())
def harmless(request):
    """The network of a packaged model, as a function of images, and what it is held to."""
    network = prepare_for_inference(load(request.param).network)
    network.demands = DEMANDS | MEANWHILE.get(request.param, {})
    return network


@pytest.fixture(scope='module')
def photographs(shared_data):
    found = (to_tensor(read_image(path))[None] for path in list_images(shared_data / PHOTOGRAPHS))
    well_lit = [photo for photo in found if harmlessness.is_well_lit(photo)]
    return well_lit[:harmlessness.PHOTOGRAPHS]


def assert_demands(network, values):
    demands = network.demands
    broken = {name: value for name, value in values.items() if name in demands and not demands[name].holds(value)}
    assert not broken, {name: (value, demands[name].limits()) for name, value in broken.items()}


@pytest.mark.parametrize('name', list_models())
def test_packaged_weights(name):
    assert find_model(name).weights.stat().st_size < 8 * 2**20
    photo = resize(data.astronaut().astype(np.float32) / 255, 192, 192)
    pair = synthesize_pair(photo, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))[:2]
    low, gt = (to_tensor(x)[None] for x in pair)
    with torch.no_grad():
        enhanced = load(name).predict(low)[0].pred_img[None]
    assert psnr(enhanced, gt).item() > psnr(low, gt).item() + 8


@pytest.mark.parametrize('name', list_models())
def test_every_model_with_a_semantic_prior_has_the_packages(name):
    state, prior = read_state_dict(find_model(name).weights), read_state_dict(PACKAGED)
    own = {key.removeprefix(PRIOR): value for key, value in state.items() if key.startswith(PRIOR)}
    assert own.keys() == (set() if name == 'isalux_detect_small' else prior.keys())
    assert all(torch.equal(value, prior[key]) for key, value in own.items())


def test_gray_black_white_and_a_lamp(harmless):
    assert_demands(harmless, harmlessness.measure_gray(harmless))


def test_well_lit_photographs_stay_as_they_are(harmless, photographs):
    assert_demands(harmless, harmlessness.measure_well_lit(harmless, photographs))


def test_one_photograph_at_ten_exposures(harmless, photographs):
    assert_demands(harmless, harmlessness.measure_exposures(harmless, [halve(p) for p in photographs[:EXPOSED]]))


def test_color_of_held_out_pairs(harmless):
    if not PAIRS.is_dir():
        pytest.skip('needs the training pairs of LOL-v1 at data/LOL/our485')
    names = Config.fromfile(HOLDOUT).lol_v1_holdout[::EVERY]
    pairs = ([to_tensor(read_image(PAIRS / kind / f'{name}.png'))[None] for kind in ('low', 'high')] for name in names)
    assert_demands(harmless, harmlessness.measure_chroma(harmless, pairs))
