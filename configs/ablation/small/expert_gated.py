# Small ablation on LOL-v1 (configs/tables/ablation.py): gated depthwise experts, as many parameters.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/expert_gated.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(experts=dict(_delete_=True, type='GatedDconvExpert', expansion=1.3))))
