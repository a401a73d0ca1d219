# Ablation on LOL-v1: the L2 loss alone.
# Expected (the paper's): PSNR 26.95; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_loss_mse.py
_base_ = ['../isalux_lol.py']

model = dict(losses=dict(_delete_=True, loss_mse=dict(type='MSELoss')))
