"""The page's files: names of any length."""
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.serve.workbench import Workbench


@pytest.mark.parametrize(('name', 'result'), [
    ('図' * 83 + '.png', '図' * 80 + '_enhanced.png'), ('a' * 251 + '.png', 'a' * 242 + '_enhanced.png')])
def test_the_longest_names_are_taken(tmp_path, name, result):
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    bench = Workbench(EnhanceInferencer(config, device='cpu', show_progress=False), tmp_path)
    Image.fromarray(np.full((37, 53, 3), 20, np.uint8)).save(tmp_path / name)
    shown = bench.enhance(tmp_path / name)
    assert shown.download.name == result and shown.download.is_file()
    assert bench.explain(tmp_path / name).is_file()
