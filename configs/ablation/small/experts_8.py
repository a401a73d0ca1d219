# Small ablation on LOL-v1 (configs/tables/ablation.py): eight experts, two chosen.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/experts_8.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(num_experts=8)))
