# Small ablation on LOL-v1 (configs/tables/ablation.py): the semantic prior alone.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/semantics_only.py
_base_ = ['./full.py']

model = dict(network=dict(illumination_prior=dict(_delete_=True, type='NoPrior')))
