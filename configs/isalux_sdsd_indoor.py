# ISALux on SDSD-indoor.
# Expected: the paper reports no figure of this set alone, only averages of five sets with GT-mean: PSNR 30.08, SSIM 0.910.
# Ours: not trained yet, for want of the data.
# python tools/train.py configs/isalux_sdsd_indoor.py
_base_ = [
    './_base_/models/isalux.py',
    './_base_/datasets/sdsd_indoor.py',
    './_base_/schedules/150k.py',
    './_base_/default_runtime.py',
]
