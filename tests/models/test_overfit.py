"""Can it learn at all: one pair made of a real photograph, overfitted to 30 dB."""
import numpy as np
import torch
from skimage import data

from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.functional.image_quality import psnr
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

STEPS = 240


def test_one_pair_is_learned_to_30_db():
    torch.manual_seed(0)
    photo = data.coffee()[150:182, 250:290].astype(np.float32) / 255
    pair = synthesize_pair(photo, DegradationRanges(noise_left=(0.1, 0.1)), (0.45, 0.04), np.random.default_rng(0))
    low, gt = (to_tensor(x)[None] for x in pair[:2])
    network = dict(type='ISALux', embed_dims=(16, 32), depths=(1, 1), num_heads=(1, 2),
                   semantic_prior=dict(type='NoPrior'))
    model = MODELS.build(dict(type='LowLightEnhancer', network=network))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    before = psnr(model(low), gt).item()
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(model(low, [EnhanceDataSample(gt_img=gt[0])], mode='loss').values()).backward()
        optimizer.step()
        scheduler.step()
    after = psnr(model.predict(low)[0].pred_img[None], gt).item()
    assert before < 15 and after > 30, (before, after)
