# Small ablation on LOL-v1 (configs/tables/ablation.py): all four experts, weighted by the gate, as a soft gate does.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/top_4.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(gate=dict(top_k=4))))
