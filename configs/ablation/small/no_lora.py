# Small ablation on LOL-v1 (configs/tables/ablation.py): both priors, no LoRA.
# Expected: docs/benchmarks.md; compared with full.py.
# python tools/train.py configs/ablation/small/no_lora.py
_base_ = ['./full.py']

model = dict(network=dict(attention=dict(lora_reduction=None)))
