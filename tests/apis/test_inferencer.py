"""The inferencer: forms in and out, files, failures, memory."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from PIL import Image

from isalux_mm import apis
from isalux_mm.apis import EnhanceInferencer, Tone
from isalux_mm.apis import inferencer as module
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.picture_file import read_picture
from isalux_mm.model_zoo import find_config, find_model
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import INFERENCERS, MODELS

DARK = (np.random.default_rng(0).random((37, 53, 3)) * 40).astype(np.uint8)
TINY = dict(model=dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(4, 4), depths=(1, 1), num_heads=(1, 1),
                 semantic_prior=dict(type='NoPrior'), attention=dict(type='HISAAttention', lora_reduction=2))))


def save(path, samples=DARK, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path, **options)
    return path


@pytest.fixture(scope='module')
def inferencer():
    return EnhanceInferencer(show_progress=False, device='cpu')


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """An inferencer of a tiny network with random weights: fast."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), path)
    return EnhanceInferencer(Config(TINY), str(path), device='cpu', show_progress=False)


def test_it_is_registered():
    assert INFERENCERS.get('EnhanceInferencer') is EnhanceInferencer


@pytest.mark.parametrize('name', apis.__all__)
def test_public_names_are_there_when_asked_for(name):
    assert name in dir(apis) and getattr(apis, name).__name__ == name


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="'isalux_mm.apis' has no attribute 'nothing'"):
        apis.nothing  # noqa: B018


def test_the_methods_are_those_of_mmengines_workflow(tiny, tmp_path):
    """`BaseInferencer.__call__` runs them too, with the same results."""
    pictures = [DARK, DARK[:20], str(save(tmp_path / 'a.png', DARK[::-1].copy()))]
    expected = tiny(pictures, strength=0.5, return_explanation=True)
    found = BaseInferencer.__call__(tiny, pictures, batch_size=2, tone=Tone(0.5), return_explanation=True)
    for one, other in zip(found['predictions'], expected['predictions'], strict=True):
        np.testing.assert_allclose(one.astype(int), other.astype(int), atol=1)
    assert [d.shape for d in found['visualization']] == [d.shape for d in expected['visualization']]
    assert BaseInferencer.__call__(tiny, DARK)['visualization'] == []
    samples = BaseInferencer.__call__(tiny, DARK, return_datasamples=True)['predictions']
    assert samples[0].pred_img.shape == (3, 37, 53)


def test_drawings_are_shown(tiny, monkeypatch):
    shown = []
    monkeypatch.setattr(Image.Image, 'show', lambda self, title: shown.append((self.size, title)))
    drawing, = BaseInferencer.__call__(tiny, DARK, show=True)['visualization']
    assert shown == [(drawing.shape[1::-1], '00000000.png')]


def test_the_result_is_the_models(inferencer):
    result = inferencer(DARK, highlights='clip')['predictions'][0]
    image = torch.from_numpy(DARK).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = inferencer.model.predict(image)[0].pred_img.permute(1, 2, 0).numpy()
    assert result.dtype == np.uint8 and np.abs(result - expected * 255).max() < 0.51
    assert result.mean() > 3 * DARK.mean()


@pytest.mark.parametrize('make', [
    lambda path: save(path), lambda path: str(save(path)), lambda path: DARK, lambda path: Image.fromarray(DARK),
    lambda path: torch.from_numpy(DARK).permute(2, 0, 1), lambda path: str(save(path).parent / '*.png'),
    lambda path: [save(path)], lambda path: save(path).parent,
], ids=['path', 'text', 'array', 'PIL', 'tensor', 'pattern', 'list', 'folder'])
def test_all_forms_give_the_same(tiny, tmp_path, make):
    expected = tiny(DARK)['predictions'][0]
    found, = tiny(make(tmp_path / 'in' / 'a.png'))['predictions']
    np.testing.assert_array_equal(found, expected)


def test_depth_of_arrays_is_kept(tiny):
    deep, real, gray, alpha = tiny([DARK.astype(np.uint16) * 257, DARK / 255, DARK[..., 0],
                                    np.dstack([DARK, DARK[..., 0]])])['predictions']
    assert (deep.dtype, real.dtype, gray.shape, alpha.shape) == (np.uint16, np.float32, (37, 53), (37, 53, 4))
    np.testing.assert_allclose(deep / 65535, real, atol=1e-5)
    np.testing.assert_array_equal(alpha[..., 3], DARK[..., 0])


def test_batches_of_mixed_sizes_give_what_each_gives_alone(tiny):
    pictures = [DARK, DARK[:20], DARK[::-1].copy(), DARK[:, :9], DARK // 2]
    for picture, found in zip(pictures, tiny(pictures, batch_size=3)['predictions']):
        expected = tiny(picture)['predictions'][0]
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_what_a_result_lacks_is_said(tiny, tmp_path):
    Image.fromarray(DARK).save(tmp_path / 'a.jpg', comment=b'A comment')
    report = tiny(tmp_path / 'a.jpg', out=tmp_path / 'out' / 'a.png')['report']
    assert report.lost == {str(tmp_path / 'out' / 'a.png'): ('the comment', )}
    assert report.summary().splitlines()[-1] == f'  {tmp_path}/out/a.png: without the comment'


def test_data_samples(tiny, tmp_path):
    path = save(tmp_path / 'a.png')
    sample, = tiny(path, True)['predictions']
    assert (sample.low_path, sample.ori_shape) == (str(path), (37, 53))
    np.testing.assert_allclose(sample.low_img.permute(1, 2, 0) * 255, DARK, atol=1e-3)
    assert sample.pred_img.shape == (3, 37, 53)


def test_strength_and_brightness(inferencer):
    none, half, full = (inferencer(DARK / 255, strength=s)['predictions'][0] for s in (0, 0.5, 1))
    np.testing.assert_allclose(none, DARK / 255, atol=1e-6)
    np.testing.assert_allclose(half, (none + full) / 2, atol=1e-5)
    for strength in (0.3, 1):
        bright = inferencer(DARK / 255, strength=strength, reference_brightness=0.6)['predictions'][0]
        assert (bright @ LUMA_WEIGHTS).mean() == pytest.approx(0.6, abs=2e-3)


@pytest.mark.parametrize('dtype, tolerance', [('bfloat16', 0.03), ('float16', 0.01)])
def test_half_precision(inferencer, dtype, tolerance):
    half = EnhanceInferencer(device='cpu', dtype=dtype, show_progress=False)(DARK / 255)['predictions'][0]
    assert half.dtype == np.float32
    assert np.abs(half - inferencer(DARK / 255)['predictions'][0]).mean() < tolerance


def test_tiles_give_what_the_whole_gives(tiny, monkeypatch):
    large, seen = np.tile(DARK, (4, 4, 1)), []
    whole = tiny(large)['predictions'][0].astype(int)
    forward = type(tiny.network).forward
    monkeypatch.setattr(type(tiny.network), 'forward',
                        lambda self, image, **options: seen.append(max(image.shape)) or forward(self, image, **options))
    other = tiny.with_tile(72)
    tiled = other(large)['predictions'][0]
    assert len(seen) > 6 and max(seen) <= 72
    assert np.abs(whole - tiled).mean() < 0.05
    seen.clear()
    np.testing.assert_array_equal(tiny.with_tile(0)(large)['predictions'][0], whole)
    assert seen == [large.shape[1]]
    assert tiny.tile is None and other.network is tiny.network and other.report is not tiny.report
    with pytest.raises(ValueError, match='tile must be at least 0'):
        tiny.with_tile(-1)


def test_files_keep_what_they_carry(tiny, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[271] = 6, 'Maker'
    save(tmp_path / 'in/sub/a.jpg', exif=exif, quality=95)
    save(tmp_path / 'in/b.png', np.dstack([DARK, DARK[..., 1]]))
    report = tiny(tmp_path / 'in', out=tmp_path / 'out')['report']
    assert sorted(report.done) == [str(tmp_path / 'out' / name) for name in ('b.png', 'sub/a.jpg')]
    turned = read_picture(tmp_path / 'out/sub/a.jpg')
    assert (turned.orientation, turned.image.shape) == (6, (53, 37, 3))
    with Image.open(tmp_path / 'out/sub/a.jpg') as file:
        assert file.size == (53, 37) and file.getexif()[271] == 'Maker'
    expected = tiny(read_picture(tmp_path / 'in/sub/a.jpg').image)['predictions'][0]  # upright
    assert np.abs(turned.image - expected).mean() < 0.03
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'out/b.png'))[..., 3], DARK[..., 1])


def test_what_is_there_is_skipped_until_it_is_redone(tiny, tmp_path):
    source, out = save(tmp_path / 'a.png'), tmp_path / 'out'
    assert tiny(source, out=out)['report'].done
    before = (out / 'a.png').stat().st_mtime_ns
    again = tiny(source, out=out)
    assert again['report'].skipped == again['predictions'] == [str(out / 'a.png')]
    assert (out / 'a.png').stat().st_mtime_ns == before
    assert tiny(source, out=out, redo=True)['report'].done
    os.utime(out / 'a.png', ns=(0, 0))
    report = tiny(source, out=out, strength=0.5)['report']
    assert not report.done and report.outdated == report.skipped
    assert report.summary() == ('0 enhanced, 1 skipped, finished before (1 older than the input; perhaps with other '
                                'options, or of another input: --overwrite makes them anew)')
    assert (out / 'a.png').stat().st_mtime_ns == 0


@pytest.mark.parametrize('out', ['.', 'a.png', 'sub/..'])
def test_inputs_are_never_overwritten(tiny, tmp_path, out):
    source = save(tmp_path / 'a.png')
    (tmp_path / 'sub').mkdir()
    with pytest.raises(ValueError, match='out must lead to other files than the inputs'):
        tiny(source, out=tmp_path / out)
    np.testing.assert_array_equal(np.asarray(Image.open(source)), DARK)


def test_inputs_are_not_overwritten_through_links(tiny, tmp_path):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'out').symlink_to(tmp_path / 'in')
    with pytest.raises(ValueError, match='other files than the inputs'):
        tiny(tmp_path / 'in', out=tmp_path / 'out')


def test_a_file_name_for_one_input(tiny, tmp_path):
    result = tiny(save(tmp_path / 'a.png'), out=tmp_path / 'sub/b.jpg')
    assert result['predictions'] == [str(tmp_path / 'sub/b.jpg')]
    assert Image.open(tmp_path / 'sub/b.jpg').format == 'JPEG'


def test_an_interrupt_leaves_whole_files_only(tiny, tmp_path, monkeypatch):
    for i in range(5):
        save(tmp_path / 'in' / f'{i}.png')
    real, calls = Image.Image.save, []

    def interrupted(self, file, **options):
        calls.append(file)
        if len(calls) == 3:
            file.write(b'half')
            raise KeyboardInterrupt
        real(self, file, **options)

    monkeypatch.setattr(Image.Image, 'save', interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path / 'in', out=tmp_path / 'out')
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['0.png', '1.png']
    assert len(tiny.report.done) == 2
    monkeypatch.undo()
    report = tiny(tmp_path / 'in', out=tmp_path / 'out')['report']
    assert (len(report.skipped), len(report.done)) == (2, 3)


def test_a_disk_that_refuses_is_reported(tiny, tmp_path, monkeypatch):
    def refuse(path, picture, overwrite):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(module, 'write_picture', refuse)
    source = save(tmp_path / 'a.png')
    report = tiny(source, out=tmp_path / 'out')['report']
    assert not report.done and 'No space left' in report.failed[str(source)]


def test_a_picture_too_large_for_the_memory_does_not_take_its_batch_along(tiny, tmp_path, monkeypatch):
    for i in range(3):
        save(tmp_path / f'{i}.png', DARK // (i + 1))
    real = tiny.enhance
    monkeypatch.setattr(tiny, 'enhance', lambda images: _refusing(real, images))
    result = tiny(tmp_path, batch_size=3)
    assert list(result['report'].failed) == [str(tmp_path / '0.png')]
    assert [p is None for p in result['predictions']] == [True, False, False]


def _refusing(real, images):
    if images.max() > 0.12:  # the first
        raise torch.OutOfMemoryError('no memory')
    return real(images)


def test_explanations(inferencer, tmp_path):
    drawing, = inferencer(DARK, return_explanation=True)['visualization']
    assert drawing.dtype == np.uint8 and drawing.shape[2] == 3 and drawing.shape[1] > 1000
    result = inferencer(save(tmp_path / 'a.png'), out=tmp_path / 'out', return_explanation=True)
    assert result['visualization'] == [str(tmp_path / 'out/a_explained.png')]
    assert Image.open(result['visualization'][0]).size == drawing.shape[1::-1]


BROKEN = {
    'zero.png': lambda p: p.write_bytes(b''),
    'text.png': lambda p: p.write_text('this is no picture'),
    'cut.jpg': lambda p: p.write_bytes(save(p).read_bytes()[:200]),
    'cut.png': lambda p: p.write_bytes(save(p).read_bytes()[:-30]),
    'magic.jpg': lambda p: p.write_bytes(b'\xff\xd8\xff\xe0' + bytes(500)),
    'noise.webp': lambda p: p.write_bytes(b'RIFF' + bytes(range(256))),
    'huge.png': lambda p: p.write_bytes(save(p).read_bytes().replace(b'\0\0\0\x35\0\0\0\x25', b'\0\0\xff\xff' * 2, 1)),
    'flipped.png': lambda p: p.write_bytes(save(p).read_bytes()[:60] + bytes(40) + p.read_bytes()[100:]),
    'dead.png': lambda p: p.symlink_to('nowhere'),
    'pipe.png': os.mkfifo,
    'objects.npy': lambda p: np.save(p, np.array([{}], dtype=object), allow_pickle=True),
    'nan.npy': lambda p: np.save(p, np.full((3, 3, 3), np.nan)),
    'header.tif': lambda p: p.write_bytes(b'II*\x00' + bytes([255] * 40)),
}


def test_500_files_with_broken_ones(tiny, tmp_path):
    broken = []
    for i in range(500):
        if i % 20 == 7:
            name, spoil = list(BROKEN.items())[len(broken) % len(BROKEN)]
            broken.append(tmp_path / 'in' / f'{i:03d}_{name}')
            broken[-1].parent.mkdir(exist_ok=True)
            spoil(broken[-1])
        else:
            save(tmp_path / 'in' / f'{i:03d}.{("png", "jpg", "bmp")[i % 3]}')
    (tmp_path / 'in' / 'folder.png').mkdir()
    before = {p: p.read_bytes() for p in (tmp_path / 'in').glob('*.png') if p.is_file()}
    result = tiny(tmp_path / 'in', out=tmp_path / 'out', batch_size=4)
    report = result['report']
    assert len(broken) == 25 and sorted(report.failed) == sorted(map(str, broken))
    assert len(report.done) == 475 == len(list((tmp_path / 'out').iterdir()))
    assert result['predictions'].count(None) == 25
    assert report.summary().splitlines()[0] == '475 enhanced, 25 failed:'
    assert all(reason and '\n' not in reason for reason in report.failed.values())
    assert before == {p: p.read_bytes() for p in before}


@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='reads the resident memory from /proc')
def test_memory_stays_flat(tiny, tmp_path):
    """Pictures of 0.94 MB as floats: keeping them would be seen."""
    large = np.tile(DARK, (5, 8, 1))
    for i in range(40):
        save(tmp_path / 'in' / f'{i:02d}.jpg', large)
    kept, real = [], tiny.postprocess

    def measured(*args, **options):
        kept.append(int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE'))
        return real(*args, **options)

    tiny.postprocess = measured
    try:
        tiny(tmp_path / 'in', out=tmp_path / 'out')
    finally:
        del tiny.postprocess
    assert max(kept[25:]) - max(kept[:15]) < 8e6


@pytest.mark.parametrize(('options', 'message'), [
    (dict(model='isalux_none'), "model must be one of .*isalux_zero_shot.* got 'isalux_none'"),
    (dict(dtype='int8'), 'dtype must be one of'), (dict(tile=-1), 'tile must be at least 0'),
    (dict(model=Config(TINY)), 'weights must be given'), (dict(model=Config(dict(network=1))), "config with a 'model'"),
    (dict(model=find_model('isalux_lol').weights), 'model must be a config file .* got .*isalux_lol.safetensors'),
    (dict(model=find_config('semantic_prior/dark_adaptation')), 'of an enhancer, .*dark_adaptation.py of PriorAdapt'),
])
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        EnhanceInferencer(**options, device='cpu')


@pytest.mark.parametrize(('options', 'message'), [
    (dict(strength=1.1), 'strength must be in'), (dict(reference_brightness=1), 'reference_brightness must be in'),
    (dict(highlights='hard'), 'highlights must be one of'),
    (dict(batch_size=0), 'batch_size must be at least 1'), (dict(array_order='gbr'), 'array_order must be one of'),
])
def test_wrong_call(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        tiny(DARK, **options)


def test_weights_of_another_model_are_refused(tmp_path):
    config = Path(find_model('isalux_zero_shot').config)
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), tmp_path / 'tiny.pth')
    with pytest.raises(ValueError, match='must hold all tensors of the network'):
        EnhanceInferencer(config, tmp_path / 'tiny.pth', device='cpu')


def test_weights_of_the_bare_network_are_taken(inferencer, tmp_path):
    packaged = find_model(module.DEFAULT_MODEL)
    bare = {k.removeprefix('network.'): v for k, v in read_state_dict(packaged.weights).items()}
    torch.save(bare, tmp_path / 'bare.pth')
    other = EnhanceInferencer(packaged.config, tmp_path / 'bare.pth', device='cpu', show_progress=False)
    np.testing.assert_array_equal(other(DARK)['predictions'][0], inferencer(DARK)['predictions'][0])


def test_a_network_without_parameters_needs_no_weights():
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    assert EnhanceInferencer(config, device='cpu', show_progress=False)(DARK)['predictions'][0].mean() > DARK.mean()


@pytest.mark.parametrize('options', [{}, dict(reference_brightness=0.4), dict(strength=0.5, highlights='clip')])
def test_fast_mode(tiny, options):
    """The inferencer's own network on a small copy; the same tone; a report of its own; no tiles."""
    images = [np.random.default_rng(0).integers(0, 60, (150, 200, 3), dtype=np.uint8) for _ in range(2)]
    fast = tiny.with_mode('fast')
    together = fast(images, batch_size=2, **options)['predictions']
    assert together[0].shape == images[0].shape and together[0].dtype == np.uint8
    alone = fast(images[:1], **options)['predictions'][0]
    assert np.abs(together[0].astype(int) - alone).max() <= 1
    assert fast(images[:1], return_explanation=True)['visualization'][0].ndim == 3
    assert tiny.mode == 'full'
    with pytest.raises(ValueError, match='must be finite'):
        fast.enhance(torch.full((1, 3, 9, 9), float('nan')))
    with pytest.raises(ValueError, match='tile must be None in fast mode'):
        fast.with_tile(64)
    with pytest.raises(ValueError, match='mode must be one of'):
        tiny.with_mode('quick')


def test_fast_mode_of_what_is_seen_in_part(tiny):
    rgba = np.random.default_rng(0).integers(0, 60, (90, 120, 4), dtype=np.uint8)
    rgba[:, :60, 3], rgba[:, 60:, 3] = 255, 0
    result = tiny.with_mode('fast')(rgba)['predictions'][0]
    np.testing.assert_array_equal(result[:, 60:], rgba[:, 60:])
