# Small ablation on LOL-v1 (configs/tables/ablation.py): one of four experts chosen.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/top_1.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(gate=dict(top_k=1))))
