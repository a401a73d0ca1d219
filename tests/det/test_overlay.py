"""Boxes of a plain detector on any picture."""
import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')

from mmengine.config import Config
from mmengine.structures import InstanceData
from small_detectors import build_plain, whole_config

from isalux_mm.det.overlay import BoxOverlay

PICTURE = np.random.default_rng(0).integers(0, 90, (37, 53, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def detector(tmp_path_factory) -> tuple[Config, str]:
    """A small RetinaNet, and a checkpoint of it."""
    config, path = whole_config('RetinaNet'), tmp_path_factory.mktemp('detector') / 'weights.pth'
    torch.save(dict(state_dict=build_plain(config.model).state_dict(), meta={}), path)
    return config, str(path)


def test_it_draws_what_the_detector_finds(detector, monkeypatch):
    overlay = BoxOverlay(*detector, device='cpu')
    model, seen = overlay.inferencer.model, []

    def predict(inputs, samples, **_):
        seen.append(inputs)
        samples[0].pred_instances = InstanceData(
            bboxes=torch.tensor([[10., 8., 40., 30.], [1., 1., 5., 5.]]), scores=torch.tensor([0.9, 0.2]),
            labels=torch.tensor([0, 0]))
        return samples

    monkeypatch.setattr(model, 'predict', predict)
    drawn, number = overlay(PICTURE)
    assert number == 1 and drawn.shape == PICTURE.shape and drawn.dtype == np.uint8
    changed = (drawn != PICTURE).any(axis=2)
    assert changed[20, 9:12].any() and not changed[34:, 45:].any() and not changed[1:5, 1:5].any()
    overlay(np.full((37, 53, 3), (200, 100, 0), np.uint8))
    scale = model.data_preprocessor
    found = seen[1][0, :, 5, 5] * scale.std.flatten() + scale.mean.flatten()
    torch.testing.assert_close(found, torch.tensor([200., 100., 0.]), atol=0.5, rtol=0)  # this config wants RGB


def test_a_chain_is_refused(detector):
    config = detector[0].copy()
    config.model = dict(type='isalux_mm.EnhancedDetector', detector=config.model, backbone={},
                        enhancer=dict(type='ISALuxNeck', network=dict(type='Identity')))
    with pytest.raises(ValueError, match='detector must be a plain detector'):
        BoxOverlay(config, None, device='cpu')
