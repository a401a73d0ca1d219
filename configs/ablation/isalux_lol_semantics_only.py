# Ablation on LOL-v1: the semantic prior alone.
# Expected (the paper's): PSNR 27.36, SSIM 0.879; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_semantics_only.py
_base_ = ['../isalux_lol.py']

model = dict(network=dict(illumination_prior=dict(_delete_=True, type='NoPrior')))
