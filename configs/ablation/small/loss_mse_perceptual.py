# Small ablation on LOL-v1 (configs/tables/ablation.py): L2 and perceptual loss, no MS-SSIM.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/loss_mse_perceptual.py
_base_ = ['./full.py']

model = dict(losses=dict(
    _delete_=True,
    loss_mse=dict(type='MSELoss', loss_weight=1.0),
    loss_perceptual=dict(
        type='PerceptualLoss', loss_weight=0.001, features=dict(type='PackagedFeatures', layers=(3, 6, 13)))))
