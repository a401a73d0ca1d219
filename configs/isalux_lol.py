# ISALux on LOL-v1: 256x256 patches, both priors, hybrid loss.
# Expected (the paper's, GT-mean): PSNR 27.63, SSIM 0.881. Ours: not trained yet, it takes hours of a GPU; see isalux_lol_256.py.
# python tools/train.py configs/isalux_lol.py
_base_ = [
    './_base_/models/isalux.py',
    './_base_/datasets/paired.py',
    './_base_/schedules/150k.py',
    './_base_/default_runtime.py',
]
