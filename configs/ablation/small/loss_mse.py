# Small ablation on LOL-v1 (configs/tables/ablation.py): the L2 loss alone.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/loss_mse.py
_base_ = ['./full.py']

model = dict(losses=dict(_delete_=True, loss_mse=dict(type='MSELoss')))
