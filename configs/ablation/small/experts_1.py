# Small ablation on LOL-v1 (configs/tables/ablation.py): one expert.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/experts_1.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(num_experts=1, gate=dict(top_k=1))))
