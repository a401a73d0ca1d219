"""Models by name: in every config, in any working folder, ahead of nothing that exists."""
from pathlib import Path

import pytest
import torch
from mmengine.runner import load_checkpoint

from isalux_mm import ISALuxNeck, LowLightEnhancer, list_models
from isalux_mm.model_zoo import find_config, find_weights, network_config, packaged_models, read_config
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS

NAME = list_models()[0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name', list_models())
def test_weights_by_name(name):
    assert find_weights(name) == packaged_models()[name].weights and find_weights(name).is_file()
    assert read_state_dict(name).keys() == read_state_dict(packaged_models()[name].weights).keys()


def test_a_file_of_that_name_goes_first(tmp_path):
    (tmp_path / NAME).write_bytes(b'of somebody')
    assert find_weights(NAME) == Path(NAME)


def test_a_path_into_the_package_leads_there_from_every_folder(tmp_path):
    name = f'isalux_mm/weights/{NAME}.safetensors'
    assert find_weights(name).samefile(packaged_models()[NAME].weights)
    neck = ISALuxNeck(network_config(NAME), name, frozen=True)
    assert not neck.lacks_weights
    (tmp_path / 'isalux_mm/weights').mkdir(parents=True)
    (tmp_path / name).write_bytes(b'of somebody')
    assert find_weights(name) == Path(name)  # a file that is there goes first


@pytest.mark.parametrize('name', [f'{NAME}.pth', f'folder/{NAME}', 'nothing'])
def test_what_is_no_name_is_a_path(name):
    assert find_weights(name) == Path(name)
    with pytest.raises(FileNotFoundError, match=f'existing file or one of .*{NAME}'):
        read_state_dict(name)


@pytest.mark.parametrize('name', ['isalux_lol', 'isalux_lol.py', 'exdark/yolox_s_exdark_joint',
                                  'ablation/isalux_lol_no_lora.py'])
def test_configs_by_name(name):
    assert find_config(name).is_file() and find_config(name).stem == Path(name).stem


@pytest.mark.parametrize('name', ['isalux_lool', '../setup.py', '/nowhere/isalux_lol'])
def test_other_configs_are_refused(name):
    with pytest.raises(FileNotFoundError, match='existing file or one of the package, such as .*isalux_lol'):
        find_config(name)


def same_weights(network: torch.nn.Module) -> bool:
    expected = {k.removeprefix('network.'): v.float() for k, v in read_state_dict(NAME).items()}
    return all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize('options', [
    dict(network=NAME), dict(network=NAME, checkpoint=NAME), dict(network=network_config(NAME), checkpoint=NAME)],
    ids=['network', 'both', 'checkpoint'])
def test_the_neck_takes_names(options):
    neck = MODELS.build(dict(type='ISALuxNeck', **options))
    assert isinstance(neck, ISALuxNeck) and same_weights(neck.network)
    neck.init_weights()
    assert same_weights(neck.network)


def test_the_enhancer_takes_names():
    model = LowLightEnhancer(NAME, init_cfg=dict(type='Pretrained', checkpoint=NAME))
    assert not same_weights(model.network)
    model.init_weights()
    assert same_weights(model.network)


def test_mmengine_loads_by_name_and_safetensors():
    for source in (NAME, str(packaged_models()[NAME].weights)):
        model = LowLightEnhancer(NAME)
        load_checkpoint(model, source, map_location='cpu', strict=True)
        assert same_weights(model.network)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(ValueError, match=f"name of a packaged model, .*{NAME}.*got 'isalux_zero'"):
        LowLightEnhancer('isalux_zero')


def test_a_model_is_described_by_a_whole_sentence():
    """The first of its config's head, over several lines."""
    for model in packaged_models().values():
        assert model.summary[0].isupper() and model.summary.endswith('.') and '. ' not in model.summary
        assert '#' not in model.summary and model.summary.split()[0] in model.config.read_text(encoding='utf-8')


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.png', '', r"--config must be a config file \(.py, .json, .yaml, .yml\), got a.png"),
    ('a.safetensors', '', '--config must be a config file .* got a.safetensors'),
    ('a.json', '{"network": 1}', r"--config must be a config with model, got a.json with \['network'\]"),
])
def test_what_is_no_config_of_a_model_is_named(name, content, message):
    Path(name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_config(name, '--config', key='model')
