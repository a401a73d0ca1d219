# The general model, watched and tested on the third of the other camera's pairs that its training leaves out.
# Expected: see docs/results.md.
# python tools/test.py configs/isalux_general_other_camera.py CHECKPOINT, or watched in training:
# python tools/train.py configs/isalux_general_other_camera.py
_base_ = ['./isalux_general.py']

val_dataloader = dict(
    dataset=dict(
        data_root='data/other_camera',
        data_prefix=dict(low='low', gt='high'),
        layout='Expected: data/other_camera/{low,high}, pairs with equal names.',
        only={{_base_.other_camera_holdout}}))
test_dataloader = val_dataloader
