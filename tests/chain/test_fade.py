"""The fade of an enhancer ahead of a task model: bright pictures bit for bit, no jump, gradients, one switch."""
import pytest
import torch
from mmengine.model import BaseModule

from isalux_mm.chain.fade import TASK_FADE, checked_fade, faded
from isalux_mm.chain.neck import ISALuxNeck
from isalux_mm.functional.safeguards import darkness_confidence, light
from isalux_mm.registry import MODELS

CURVES = dict(type='CurveNetwork', channels=4, iterations=2)
DARK, BRIGHT = 0.004, 0.9  # exposure gains in linear light, on either side of the fade


class Counting(BaseModule):
    """A gain of two, that counts the images it has seen."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))
        self.count = 0

    def forward(self, image):
        self.count += len(image)
        return self.factor * image


@pytest.fixture(scope='module', autouse=True)
def _network():
    MODELS.register_module(module=Counting)


@pytest.fixture
def neck():
    return ISALuxNeck(dict(type='Counting'), frozen=True)


def exposed(picture: torch.Tensor, gain: float) -> torch.Tensor:
    """The picture at an exposure gain in linear light, under a power law of 2.2."""
    return (picture.clamp_min(0)**2.2 * gain)**(1 / 2.2)


@pytest.fixture
def scene():
    """A scene with a white in it and a mean of about a half."""
    torch.manual_seed(0)
    return torch.rand(1, 3, 37, 53)


def test_the_two_values_are_ascending_and_of_light():
    dark, bright = TASK_FADE
    assert 0 < dark < bright < 0.4  # a scene of mean luma 0.45 with a white in it is bright


@pytest.mark.parametrize('side', [None, 16])
def test_a_bright_picture_passes_bit_for_bit_and_costs_nothing(scene, side):
    neck = ISALuxNeck(dict(type='Counting'), frozen=True, work_short_side=side)
    image = exposed(scene, BRIGHT)
    assert torch.equal(neck(image), image) and neck.network.count == 0


@pytest.mark.parametrize('grad', [True, False])
def test_a_bright_picture_passes_bit_for_bit_where_the_network_runs(scene, grad):
    neck = ISALuxNeck(CURVES, work_short_side=16)
    image = exposed(scene, BRIGHT)
    with torch.set_grad_enabled(grad):
        assert torch.equal(neck(image), image)


def test_a_dark_picture_gets_what_the_network_gives(scene, neck):
    image = exposed(scene, DARK)
    assert torch.equal(neck(image), 2 * image)


def test_padding_does_not_count_and_bright_and_dark_do_not_meet(scene, neck):
    """Loud padding around a dark picture, black around a bright one; each as alone."""
    batch = torch.full((4, 3, 40, 64), 0.9)
    sizes = [(37, 53), (37, 53), (37, 53), (24, 41)]
    batch[1] = 0
    images = [exposed(scene[0], gain)[:, :h, :w] for gain, (h, w) in zip((DARK, BRIGHT, 0.08, BRIGHT), sizes)]
    for place, image in zip(batch, images):
        place[:, :image.shape[1], :image.shape[2]] = image
    out = neck(batch, sizes)
    assert neck.network.count == sum(bool(darkness_confidence(i[None], neck.fade) > 0) for i in images) < 4
    for found, image, (h, w) in zip(out, images, sizes):
        torch.testing.assert_close(found[:, :h, :w], neck(image[None])[0])
        assert (found[:, h:] == 0).all() and (found[:, :, w:] == 0).all()
    assert torch.equal(out[1, :, :37, :53], images[1]) and torch.equal(out[0, :, :37, :53], 2 * images[0])


def test_a_scene_that_darkens_does_not_jump(scene, neck):
    """Two hundred exposures from bright to 1/256: the share of the change moves by less than 5% a step, to the end."""
    gains = torch.logspace(0, -8, 200, base=2).tolist()
    images = torch.cat([exposed(scene, gain) for gain in gains])
    share = darkness_confidence(images, neck.fade).flatten()
    steps = share.diff()
    assert share[0] == 0 and share[-1] == 1
    assert (steps >= 0).all() and steps.max() < 0.05
    jumps = (neck(images).mean(dim=(1, 2, 3)) - images.mean(dim=(1, 2, 3))).diff().abs()
    assert jumps.max() < 0.02  # of the range; the change itself is the picture's mean, up to 0.2


def test_gradients_pass_by_the_share(scene):
    """d mean(image + share (f image - image)) / df is share times the picture's mean."""
    for gain in (DARK, 0.1, BRIGHT):
        neck, image = ISALuxNeck(dict(type='Counting')), exposed(scene, gain)
        neck(image).mean().backward()
        expected = darkness_confidence(image, neck.fade).flatten() * image.mean()
        torch.testing.assert_close(neck.network.factor.grad, expected[0])
    assert neck.network.count == 1  # the graph is the same in the light, as several processes need it


def test_without_a_fade_every_picture_is_enhanced(scene):
    neck, image = ISALuxNeck(dict(type='Counting'), fade=None), exposed(scene, BRIGHT)
    assert torch.equal(neck(image), 2 * image)


def test_a_fade_of_ones_own(scene):
    image = exposed(scene, 0.3)
    value = float(light(image))
    half = ISALuxNeck(dict(type='Counting'), fade=(value - 0.05, value + 0.05))
    torch.testing.assert_close(half(image), 1.5 * image)


def test_half_precision_keeps_the_bits_of_a_bright_picture(scene):
    image = exposed(scene, BRIGHT)
    assert torch.equal(faded(image, (2 * image).bfloat16(), darkness_confidence(image, TASK_FADE)), image)


def test_a_compiled_neck_gives_the_same(scene, neck):
    compiled = torch.compile(neck.enhance, backend='eager', fullgraph=True)
    for gain in (DARK, 0.1, BRIGHT):
        image = exposed(scene, gain)
        with torch.no_grad():
            torch.testing.assert_close(compiled(image), neck.enhance(image))


def test_one_file_serves_every_exposure(scene):
    """Exported at one exposure and size, run at others: the picture decides, not the example."""
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    from isalux_mm.apis.export.graph import serialized

    class Ahead(torch.nn.Module):

        def __init__(self, neck):
            super().__init__()
            self.neck = neck

        def forward(self, image):
            return self.neck.enhance(image)

    module = Ahead(ISALuxNeck(dict(type='GammaCurve'), frozen=True)).eval()
    content = serialized(module, 'onnx', outputs=('out', ), fixed_size=None, notes={})
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    images = torch.cat([exposed(scene, gain) for gain in (DARK, 0.1, BRIGHT)])
    found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: images.numpy()})[0])
    with torch.no_grad():
        torch.testing.assert_close(found, module(images), atol=1e-5, rtol=1e-5)
    assert torch.equal(found[2], images[2])


@pytest.mark.parametrize('fade', ['on', (0.3, ), (0.3, 0.1), (0.2, 0.2), (-0.1, 0.2), (0.1, 1.2)])
def test_wrong_use(fade):
    with pytest.raises(ValueError, match="fade must be 'auto', None or two ascending values"):
        checked_fade(fade)
