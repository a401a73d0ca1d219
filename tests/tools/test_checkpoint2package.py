"""A packaged model carries all of its config's model in half precision, and the config's name."""
import pytest
import torch
from loading import load_tool
from mmengine.config import Config

from isalux_mm import model_zoo
from isalux_mm.functional.illumination import luma
from isalux_mm.model_zoo import find_config, packaged_models
from isalux_mm.models.deeplab import PACKAGED
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS

publisher = load_tool('model_converters/checkpoint2package')
CONFIG = 'isalux_cpu'


@pytest.fixture(scope='module')
def state():
    return MODELS.build(Config.fromfile(find_config(CONFIG)).model).state_dict()


def test_the_name_of_the_weights_need_not_be_the_configs(tmp_path, monkeypatch, state):
    checkpoint, weights = tmp_path / 'iter_7.pth', tmp_path / 'isalux_other.safetensors'
    torch.save(dict(meta={}, state_dict=state), checkpoint)
    assert publisher.main([str(find_config(CONFIG)), str(checkpoint), str(weights)]) == 0
    monkeypatch.setattr(model_zoo, 'WEIGHTS', tmp_path)
    model = packaged_models()['isalux_other']
    assert (model.config, model.weights) == (find_config(CONFIG), weights)
    packed = read_state_dict(weights)
    assert packed.keys() == state.keys()
    for name, value in state.items():
        expected = value.half() if value.is_floating_point() else value
        assert packed[name].dtype == expected.dtype and torch.equal(packed[name], expected)


def test_of_several_checkpoints_the_mean_is_taken(tmp_path, state):
    for name, factor in (('a.pth', 1.0), ('b.pth', 3.0)):
        torch.save({k: v * factor if v.is_floating_point() else v for k, v in state.items()}, tmp_path / name)
    mean = publisher.packaged_weights(find_config(CONFIG), [tmp_path / 'a.pth', tmp_path / 'b.pth'])
    for name, value in state.items():
        expected = (2 * value.double()).half() if value.is_floating_point() else value
        torch.testing.assert_close(mean[name], expected, rtol=1e-3, atol=1e-7)  # one step of half precision


def test_saturation_moves_the_change_from_its_luma(tmp_path, state):
    """The residual of the packed network against that of the plain one, made more colourful outside of it."""
    torch.save(state, tmp_path / 'a.pth')
    dull, vivid = (publisher.packaged_weights(find_config(CONFIG), [tmp_path / 'a.pth'], factor) for factor in (1, 1.5))
    assert {name for name in dull if not torch.equal(dull[name], vivid[name])} == {
        'network.to_rgb.weight', 'network.to_rgb.bias'}
    features = torch.randn(1, dull['network.to_rgb.weight'].shape[1], 5, 5)
    plain, more = (torch.nn.functional.conv2d(features, packed['network.to_rgb.weight'].float(),
                                              packed['network.to_rgb.bias'].float()) for packed in (dull, vivid))
    gray = luma(plain)
    torch.testing.assert_close(more, gray + 1.5 * (plain - gray), rtol=0, atol=5e-3)  # half precision
    with pytest.raises(ValueError, match='saturation must be 1 for a model without network.to_rgb, got 0.5'):
        publisher.saturate({}, 0.5)


def test_another_prior_takes_the_place_of_the_models(tmp_path):
    """Of the packaged default: every tensor of the prior changes, no other does."""
    from safetensors.torch import load_file, save_file
    found = model_zoo.find_model('isalux_general')
    prior = {name: value + 1 for name, value in load_file(PACKAGED).items()}
    save_file(prior, tmp_path / 'prior.safetensors')
    before, after = (publisher.packaged_weights(found.config, [found.weights], semantic_prior=path)
                     for path in (None, tmp_path / 'prior.safetensors'))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {publisher.PRIOR + name for name in prior}
    save_file(dict(list(prior.items())[1:]), tmp_path / 'less.safetensors')
    with pytest.raises(ValueError, match='expected the semantic prior of the model, differs in 1 tensors'):
        publisher.packaged_weights(found.config, [found.weights], semantic_prior=tmp_path / 'less.safetensors')


def test_weights_without_metadata_go_by_the_name_of_their_config(tmp_path, monkeypatch):
    from safetensors.torch import save_file
    save_file(dict(a=torch.zeros(1)), tmp_path / f'{CONFIG}.safetensors')
    monkeypatch.setattr(model_zoo, 'WEIGHTS', tmp_path)
    assert packaged_models()[CONFIG].config == find_config(CONFIG)


@pytest.mark.parametrize('change', ['missing', 'beside', 'shape'])
def test_a_checkpoint_of_another_model_is_refused(tmp_path, state, change):
    name = next(iter(state))
    changed = dict(state)
    if change == 'missing':
        del changed[name]
    elif change == 'beside':
        changed['beside'] = torch.zeros(1)
    else:
        changed[name] = torch.zeros(7)
    checkpoint = tmp_path / 'iter_7.pth'
    torch.save(dict(state_dict=changed), checkpoint)
    with pytest.raises(ValueError, match='expected the model of .*isalux_cpu.*differs in 1 tensors'):
        publisher.packaged_weights(find_config(CONFIG), [checkpoint])


def test_of_a_chain_it_is_the_enhancer(tmp_path, state):
    chain = {f'enhancer.{key}': value for key, value in state.items()} | {'detector.backbone.weight': torch.zeros(3)}
    torch.save(dict(state_dict=chain), tmp_path / 'chain.pth')
    packed = publisher.packaged_weights(find_config(CONFIG), [tmp_path / 'chain.pth'])
    assert packed.keys() == state.keys()
    torch.testing.assert_close(packed['network.embed.weight'], state['network.embed.weight'].half())


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 65520.0])
def test_what_half_precision_has_not_is_refused(tmp_path, state, value):
    """65,504 is its largest number, and 65,520 the first that rounds to infinity."""
    checkpoint, weights = tmp_path / 'iter_7.pth', tmp_path / 'weights.safetensors'
    for bad, last in ((value, False), (65504.0, True)):
        changed = dict(state)
        changed['network.to_rgb.bias'] = torch.full_like(state['network.to_rgb.bias'], bad)
        torch.save(changed, checkpoint)
        command = [str(find_config(CONFIG)), str(checkpoint), str(weights)]
        if last:
            assert publisher.main(command) == 0
            continue
        with pytest.raises(ValueError, match='iter_7.pth: network.to_rgb.bias in half precision, .* must be finite'):
            publisher.main(command)
        assert not weights.exists()


def test_a_config_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match='config must be a config with model, got .*default_runtime.py'):
        publisher.packaged_weights(find_config('_base_/default_runtime'), [tmp_path / 'a.pth'])
