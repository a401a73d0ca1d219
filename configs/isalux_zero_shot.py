# The illumination-prior variant trained on photographs alone, made dark on the fly: no real pair is ever trained on.
# What is watched are pairs of LOL-v1's held-out scenes, and tested on is eval15; leave data/LOL away by
# --cfg-options val_dataloader.dataset.data_root=... (any folder of pairs in LOL-v1's layout).
# Expected: see docs/results.md.
# Put photographs into data/photos (sub-folders are read), then:
# python tools/train.py configs/isalux_zero_shot.py
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs.py',
    './_base_/schedules/hours.py',
]
