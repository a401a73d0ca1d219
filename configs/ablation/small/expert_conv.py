# Small ablation on LOL-v1 (configs/tables/ablation.py): experts with a dense 3x3 convolution, as many parameters.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/expert_conv.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(experts=dict(_delete_=True, type='ConvExpert', expansion=0.56))))
