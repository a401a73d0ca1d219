"""`MMSegSemanticPrior`: the segmentor's own probabilities, frozen; from a config file; inside ISALux."""
import hashlib

import pytest
import torch
from mmengine.config import Config

pytest.importorskip('mmseg')

from small_segmentors import build_plain, whole_config

from isalux_mm.io.checkpoint_schemes import hash_of
from isalux_mm.registry import MODELS
from isalux_mm.seg import MMSegSemanticPrior


@pytest.fixture
def fcn():
    return whole_config('FCN').model


@pytest.mark.parametrize('changes', [
    {}, dict(bgr_to_rgb=False, mean=[104.0, 117.0, 123.0]), dict(mean=None, std=None),
    dict(bgr_to_rgb=False, rgb_to_bgr=True)], ids=str)
def test_probabilities_are_the_segmentors(changes, fcn, tmp_path, picture):
    fcn.data_preprocessor.update(changes)
    plain = build_plain(fcn).eval()
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'fcn.pth')
    prior = MMSegSemanticPrior(fcn, checkpoint=str(tmp_path / 'fcn.pth'))
    prior.init_weights()
    loaded = (picture[0] if changes.get('rgb_to_bgr') else picture[0].flip(0)) * 255  # what its loader gives
    with torch.no_grad():
        inputs = plain.data_preprocessor(dict(inputs=[loaded]))['inputs']
        expected = plain(inputs).softmax(dim=1)
    got = prior(picture)
    assert prior.out_channels == 19 and got.shape[1] == 19
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


def test_from_a_config_file_and_frozen(fcn, tmp_path, picture):
    Config(dict(model=fcn.to_dict())).dump(tmp_path / 'fcn.py')
    prior = MMSegSemanticPrior(str(tmp_path / 'fcn.py'), short_side=20)
    prior.train()
    assert not any(m.training for m in prior.modules()) and not any(p.requires_grad for p in prior.parameters())
    assert prior(picture).shape[-2:] == (3, 4)  # 20 x 29 at stride 8


def test_inside_isalux(fcn, picture):
    network = MODELS.build(dict(
        type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
        semantic_prior=dict(type='MMSegSemanticPrior', segmentor=fcn)))
    assert network(picture).shape == picture.shape
    assert network.semantic_adapters[0][0].in_channels == 19
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained and not any('semantic_prior' in name for name in trained)
    assert any('semantic_prior' in key for key in network.state_dict())  # a checkpoint needs no second file


def test_a_head_whose_raw_output_is_more_than_logits(picture):
    """EncNet gives its classes' presence too; a prediction of mmseg's is the reference, on the map's own grid."""
    model = whole_config('EncNet').model
    plain = build_plain(model).eval()
    prior = MMSegSemanticPrior(model)
    prior.network.segmentor.load_state_dict(plain.state_dict())
    inputs = plain.data_preprocessor(dict(inputs=[picture[0].flip(0) * 255]))['inputs']
    with torch.no_grad():
        expected = plain.inference(inputs, [dict(ori_shape=(5, 7), img_shape=(5, 7))]).softmax(dim=1)
    torch.testing.assert_close(prior(picture), expected, rtol=1e-4, atol=1e-6)


def test_weights_at_an_address_are_fetched_once_and_by_init_weights_alone(fcn, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    plain = build_plain(fcn, seed=4)
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'fcn.pth')
    prior = MMSegSemanticPrior(fcn, checkpoint=(tmp_path / 'fcn.pth').as_uri())
    assert not (tmp_path / 'hub').exists()
    prior.init_weights()
    (tmp_path / 'fcn.pth').unlink()
    prior.init_weights()  # from the cache
    expected = plain.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in prior.network.segmentor.state_dict().items())


def test_a_failed_download_says_where_to_place_the_file(fcn, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    prior = MMSegSemanticPrior(fcn, checkpoint=(tmp_path / 'absent.pth').as_uri())
    with pytest.raises(RuntimeError, match=r'Place the file at .*hub/checkpoints/absent\.pth, or set semantic_prior'):
        prior.init_weights()


@pytest.mark.parametrize(('name', 'expected'), [
    ('fcn_r50-d8_512x1024_40k_cityscapes_20200604_192608-efe53f0d.pth', 'efe53f0d'),
    ('alexnet-owt-7be5be79.pth', '7be5be79'),
    ('fcn_r50-d8.pth', None),
    ('segmentor.safetensors', None),
])
def test_hashes_in_names(name, expected):
    assert hash_of(name) == expected


def test_a_download_is_checked(fcn, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    content = tmp_path / 'fcn.pth'
    torch.save(dict(state_dict=build_plain(fcn, seed=4).state_dict()), content)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    good, broken = tmp_path / f'fcn-{digest[:8]}.pth', tmp_path / 'fcn-00000000.pth'
    good.write_bytes(content.read_bytes())
    broken.write_bytes(content.read_bytes())
    MMSegSemanticPrior(fcn, checkpoint=good.as_uri()).init_weights()
    with pytest.raises(RuntimeError, match='invalid hash value .*Place the file at'):
        MMSegSemanticPrior(fcn, checkpoint=broken.as_uri()).init_weights()
    assert [path.name for path in (tmp_path / 'hub/checkpoints').iterdir()] == [good.name]


def test_weights_of_another_segmentor(fcn, tmp_path):
    torch.save(dict(state_dict={'backbone.of_another': torch.zeros(3)}), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='semantic prior: no key of .*other.pth matches'):
        MMSegSemanticPrior(fcn, checkpoint=str(tmp_path / 'other.pth')).init_weights()


@pytest.mark.parametrize('segmentor, message', [
    ('no_such_file.py', 'must be an mmseg config file'),
    (dict(type='EncoderDecoder'), 'backbone'),
])
def test_wrong_segmentors(segmentor, message):
    with pytest.raises((ValueError, TypeError), match=message):
        MMSegSemanticPrior(segmentor)


def test_config_without_a_model(tmp_path):
    (tmp_path / 'empty.py').write_text('a = 1\n')
    with pytest.raises(ValueError, match='expected a config with a model'):
        MMSegSemanticPrior(str(tmp_path / 'empty.py'))


def test_segmentor_without_a_preprocessor(fcn):
    fcn.pop('data_preprocessor')
    with pytest.raises(ValueError, match='data_preprocessor for images'):
        MMSegSemanticPrior(fcn)
