# Small ablation on LOL-v1 (configs/tables/ablation.py): a dense feed-forward instead of the mixture.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/dense_ffn.py
_base_ = ['./full.py']

model = dict(network=dict(ffn=dict(
    _delete_=True, type='DenseFFN', expert=dict(type='DepthwiseExpert', expansion=4.0))))
