"""Export: every image is routed by itself in the file, at any size and batch; files are whole, checked, described."""
import io
import logging

import pytest
import torch
from mmengine.config import Config

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.export import enhancers, export_onnx, export_torch
from isalux_mm.apis.export.graph import to_onnx, traced
from isalux_mm.apis.export.running import dark_images, runner
from isalux_mm.apis.tone import Tone
from isalux_mm.cli import main
from isalux_mm.functional.tone import with_soft_highlights
from isalux_mm.inference.export_forms import ExportableEnhancer
from isalux_mm.models.experts import MoEFFN
from isalux_mm.registry import MODELS

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')
OUTPUTS = ('enhanced', 'routing')
# black to bright, and one that is bright in blue alone: they choose differently, see the first test
TINTS = ((0.01, 0.01, 0.01), (0.9, 0.9, 0.9), (0.9, 0.05, 0.05), (0.05, 0.1, 0.9), (0.3, 0.6, 0.1))
SEMANTIC = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=4, short_side=24,
                module_args=dict(in_channels=3, out_channels=4, kernel_size=3, stride=4, padding=1))
ONE_SCALE = dict(embed_dims=(8, ), depths=(1, ), num_heads=(1, ), semantic_prior=dict(type='NoPrior'))


def network(**options: dict):
    """A tiny network on two scales, of which the gates have weights far from zero, so that they take sides.

    Its segmentation network is one convolution: what matters is the resizing around it.
    """
    torch.manual_seed(3)
    options = dict(dict(embed_dims=(8, 12), depths=(1, 1), num_heads=(1, 2), semantic_prior=SEMANTIC), **options)
    built = MODELS.build(dict(type='ISALux', **options)).eval()
    for module in built.modules():
        if isinstance(module, MoEFFN):
            torch.nn.init.normal_(module.gate.linear.weight, std=20)
    return built


def tinted(height: int, width: int) -> torch.Tensor:
    """A batch with one picture of every tint, with some grain."""
    generator = torch.Generator().manual_seed(1)
    grain = 0.05 * torch.rand(len(TINTS), 3, height, width, generator=generator)
    return (torch.tensor(TINTS)[:, :, None, None] + grain).clamp(0, 1)


@pytest.fixture(scope='module', autouse=True)
def _no_trace_of_the_tracer():
    """The tracer writes its whole work to a log that only pytest's handler would keep; that takes most of the time."""
    log = logging.getLogger('torch.__trace')
    before, log.disabled = log.disabled, True
    yield
    log.disabled = before


@pytest.fixture(scope='module')
def plain():
    return network(safeguards=('fade', 'gray', 'black'))


@pytest.fixture(scope='module')
def program(plain):
    """Traced once, on two dark pictures of 64 x 100."""
    return traced(ExportableEnhancer(plain, with_routing=True), dark_images(2, 64, 100), dynamic=True)


@pytest.fixture(scope='module')
def onnx_file(program) -> bytes:
    return to_onnx(program, OUTPUTS, dict(name='tiny'))


@pytest.fixture(scope='module')
def runners(program, onnx_file) -> dict:
    file = io.BytesIO()
    torch.export.save(program, file)
    return dict(onnx=runner(onnx_file, 'onnx'), torch=runner(file.getvalue(), 'torch'))


def expected(plain, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network itself gives, through another form of the experts, the selected ones alone."""
    with torch.no_grad():
        enhanced, routings = plain.forward_with_routing(images)
    return with_soft_highlights(enhanced, images), torch.stack([r.indices for r in routings], dim=1)


@pytest.mark.parametrize(('kind', 'limit'), [('onnx', 1e-3), ('torch', 1e-5)])
def test_images_that_choose_other_experts_than_the_example(plain, runners, kind, limit):
    run = runners[kind]
    at_export = set(map(tuple, expected(plain, dark_images(2, 64, 100))[1].flatten(1).tolist()))
    images = tinted(37, 53)
    reference, choices = expected(plain, images)
    others = set(map(tuple, choices.flatten(1).tolist())) - at_export
    assert len(others) >= 3  # else this would prove nothing
    enhanced, found = run(images)  # one batch, mixed
    assert torch.equal(found, choices)
    assert (enhanced - reference).abs().max() < limit
    for image, one, choice in zip(images, reference, choices):
        enhanced, found = run(image[None])
        assert torch.equal(found[0], choice)
        assert (enhanced[0] - one).abs().max() < limit


@pytest.mark.parametrize('shape', [(1, 8, 8), (1, 9, 97), (2, 24, 53), (3, 37, 54), (1, 130, 75), (5, 64, 100)])
@pytest.mark.parametrize(('kind', 'limit'), [('onnx', 1e-3), ('torch', 1e-5)])
def test_any_size_and_batch(plain, runners, kind, limit, shape):
    images = dark_images(*shape)
    reference, choices = expected(plain, images)
    enhanced, found = runners[kind](images)
    assert enhanced.shape == images.shape
    assert 0 <= enhanced.min() <= enhanced.max() <= 1
    assert (enhanced - reference).abs().max() < limit
    assert torch.equal(found, choices)


def test_ties(plain, runners):
    """Of experts that tie exactly, which torch.topk leaves open, ONNX takes the first."""
    images = torch.full((2, 3, 16, 16), 0.25)  # no difference between pixels
    assert torch.equal(runners['onnx'](images)[1], expected(plain, images)[1])
    tied = network(**ONE_SCALE)
    for module in tied.modules():
        if isinstance(module, MoEFFN):
            module.gate.linear.weight.data[:] = module.gate.linear.weight.data[:1]
    exported = ExportableEnhancer(tied, with_routing=True)
    file = to_onnx(traced(exported, images[:1], dynamic=False), OUTPUTS, {})
    _, chosen = runner(file, 'onnx')(images[:1])
    assert torch.equal(chosen, torch.tensor([0, 1]).expand(1, 1, 2))


def test_file_names_its_axes_and_is_described(onnx_file):
    model = onnx.load_from_string(onnx_file)
    low, enhanced, routing = (
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output))
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ['low', 'enhanced', 'routing']
    assert low == enhanced == ['batch', 3, 'height', 'width']
    assert routing == ['batch', 3, 2]
    assert {p.key: p.value for p in model.metadata_props}['name'] == 'tiny'


@pytest.mark.parametrize('ffn', [
    dict(type='MoEFFN', num_experts=2, gate=dict(type='TopKGate', top_k=1),
         experts=[dict(type='ConvExpert'), dict(type='GatedDconvExpert')]),
    dict(type='MoEFFN', gate=dict(type='SoftGate')),
    dict(type='DenseFFN'),
])
def test_other_feed_forwards_export_too(ffn):
    built = network(ffn=ffn, **ONE_SCALE)
    exported = ExportableEnhancer(built)
    images = dark_images(1, 19, 21)
    run = torch.export.export(exported, (images, )).module()
    with torch.no_grad():
        reference = with_soft_highlights(built(images), images)
        assert (run(images) - reference).abs().max() < 1e-5


TINY = """
model = dict(type='LowLightEnhancer', network=dict(
    type='ISALux', embed_dims=(8, ), depths=(1, ), num_heads=(1, ), semantic_prior=dict(type='NoPrior')))
"""


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Config and weights of a network on one scale."""

    folder = tmp_path_factory.mktemp('tiny')
    (folder / 'tiny.py').write_text(TINY, encoding='utf-8')
    torch.manual_seed(0)
    torch.save(MODELS.build(Config.fromfile(folder / 'tiny.py').model).state_dict(), folder / 'tiny.pth')
    return folder / 'tiny.py', folder / 'tiny.pth'


def test_half_precision_keeps_its_interface(tiny, tmp_path):
    config, weights = tiny
    half, full = (export_onnx(tmp_path / f'{h}.onnx', config, weights=weights, half=h, fixed_size=(21, 30))
                  for h in (True, False))
    assert full.worst < 1e-5 < half.worst < 2e-3
    model = onnx.load(half.path)
    types = {onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
             for value in (*model.graph.input, *model.graph.output)}
    assert types == {'FLOAT'}
    assert sum(i.data_type == onnx.TensorProto.FLOAT16 for i in model.graph.initializer) > 5
    image = dark_images(1, 21, 30)
    assert runner(half.path.read_bytes(), 'onnx')(image)[0].dtype == torch.float32


def test_command_writes_checks_and_refuses(tiny, tmp_path, capsys):
    config, weights = map(str, tiny)
    out = tmp_path / 'new' / 'tiny.pt2'
    command = ['export', config, str(out), '--weights', weights, '--format', 'torch', '--routing']
    assert main(command) == 0
    assert 'largest difference from PyTorch' in capsys.readouterr().out
    before = out.read_bytes()
    assert main(command) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*command, '--overwrite', '--no-check']) == 0
    assert 'difference' not in capsys.readouterr().out
    assert [p.name for p in out.parent.iterdir()] == ['tiny.pt2']
    notes = {'weights_license': '', 'producer': ''}
    torch.export.load(str(out), extra_files=notes)
    assert notes['producer'].startswith('isalux-mm')


def test_a_file_that_disagrees_is_not_written(tiny, tmp_path, monkeypatch):
    config, weights = tiny

    def brighter(content, kind):
        run = runner(content, kind)
        return lambda images: (run(images)[0] + 0.01, )

    monkeypatch.setattr(enhancers, 'runner', brighter)
    with pytest.raises(RuntimeError, match='within 0.001 of full scale, got a difference of 0.01'):
        export_onnx(tmp_path / 'wrong.onnx', config, weights=weights, fixed_size=(16, 16))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('options', 'error', 'message'), [
    (dict(fixed_size=(4, 300)), ValueError, r'from 8 pixels up, got \(4, 300\)'),
    (dict(highlights='none'), ValueError, 'highlights'),
    (dict(model='isalux_nowhere'), ValueError, 'isalux_nowhere'),
])
def test_wrong_use(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        export_torch(tmp_path / 'x.pt2', **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_packaged_model_agrees_with_the_inferencer(tmp_path):
    """At a fixed size, which is traced in seconds."""
    report = export_torch(tmp_path / 'isalux.pt2', fixed_size=(37, 53), with_routing=True)
    assert report.worst < 1e-5
    image = dark_images(1, 37, 53)
    enhanced, routing = torch.export.load(str(report.path)).module()(image)
    expected = Tone().apply(EnhanceInferencer(device='cpu', show_progress=False).enhance(image), image)
    assert routing.shape == (1, 12, 2)
    assert (enhanced - expected).abs().max() < 1e-3
