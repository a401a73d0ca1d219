"""The weights that travel with the package fit their config and brighten a photograph."""
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from skimage import data

import isalux_mm
from isalux_mm.datasets.transforms import resize, to_tensor
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.functional.image_quality import psnr
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS

WEIGHTS = Path(isalux_mm.__file__).parent / 'weights/isalux_zero_shot.safetensors'
CONFIG = Path(__file__).resolve().parents[2] / 'configs/isalux_zero_shot.py'


def test_packaged_weights():
    assert WEIGHTS.stat().st_size < 8 * 2**20
    model = MODELS.build(Config.fromfile(CONFIG).model).eval()
    model.load_state_dict(read_state_dict(WEIGHTS))  # strict
    photo = resize(data.astronaut().astype(np.float32) / 255, 192, 192)
    pair = synthesize_pair(photo, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))[:2]
    low, gt = (to_tensor(x)[None] for x in pair)
    with torch.no_grad():
        enhanced = model.predict(low)[0].pred_img[None]
    assert psnr(enhanced, gt).item() > psnr(low, gt).item() + 8
