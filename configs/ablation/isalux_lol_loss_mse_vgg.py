# Ablation on LOL-v1: L2 and VGG, no MS-SSIM.
# Expected (the paper's): PSNR 27.08; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_loss_mse_vgg.py
_base_ = ['../isalux_lol.py']

model = dict(losses=dict(
        _delete_=True,
        loss_mse=dict(type='MSELoss', loss_weight=1.0),
        loss_perceptual=dict(
            type='PerceptualLoss', loss_weight=0.01, features=dict(type='VGG19Features', layers=('relu5_4', )))))
