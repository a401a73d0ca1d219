# ISALux on LOL-v2-synthetic.
# Expected: the paper reports no figure of this set alone, only averages of five sets with GT-mean: PSNR 30.08, SSIM 0.910.
# Ours: not trained yet, for want of the data.
# python tools/train.py configs/isalux_lol_v2_synthetic.py
_base_ = [
    './_base_/models/isalux.py',
    './_base_/datasets/lol_v2_synthetic.py',
    './_base_/schedules/150k.py',
    './_base_/default_runtime.py',
]
