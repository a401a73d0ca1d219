# Ablation on LOL-v1: neither prior.
# Expected (the paper's): PSNR 27.04, SSIM 0.870; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_no_priors.py
_base_ = ['../isalux_lol.py']

model = dict(network=dict(illumination_prior=dict(_delete_=True, type='NoPrior'), semantic_prior=dict(_delete_=True, type='NoPrior')))
