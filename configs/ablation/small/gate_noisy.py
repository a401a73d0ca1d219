# Small ablation on LOL-v1 (configs/tables/ablation.py): a gate with learned noise in training.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/gate_noisy.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(gate=dict(type='NoisyTopKGate'))))
