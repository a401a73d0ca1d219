# Ablation on LOL-v1: both priors, no LoRA.
# Expected (the paper's): PSNR 27.41, SSIM 0.880; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_no_lora.py
_base_ = ['../isalux_lol.py']

model = dict(network=dict(attention=dict(lora_reduction=None)))
