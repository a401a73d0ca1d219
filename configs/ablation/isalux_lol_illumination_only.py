# Ablation on LOL-v1: the illumination prior alone.
# Expected (the paper's): PSNR 27.15, SSIM 0.878; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_illumination_only.py
_base_ = ['../isalux_lol.py']

model = dict(network=dict(semantic_prior=dict(_delete_=True, type='NoPrior')))
