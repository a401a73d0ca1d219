# What a model is worth on pairs of another camera than its own.
# python tools/run_table.py configs/tables/cross_set.py --weights checkpoints --out docs/tables
_base_ = ['../_base_/datasets/other_camera_holdout.py']

title = 'Across cameras'
shows = (
    'Each model on the camera that it was trained on and on the other. Of the other camera the third of the pairs '
    'counts that no training here sees; eval15 shares 14 of its 15 scenes with LOL-v1\'s training pairs.')

measures = ['PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean']
sets = dict(
    eval15=dict(low='data/LOL/eval15/low', gt='data/LOL/eval15/high', title='LOL-v1, eval15', measures=measures),
    other_camera=dict(
        low='data/other_camera/low', gt='data/other_camera/high', title='The other camera, 33 pairs held out',
        only={{_base_.other_camera_holdout}}, measures=measures))

rows = [
    dict(name='dark input', peer='input', trained_on='-'),
    dict(name='Zero-DCE', peer='zero_dce', weights=['zero_dce_Epoch99.pth'], trained_on='no references'),
    dict(name='PairLIE', peer='pairlie', weights=['PairLIE.pth'], trained_on='pairs of low exposures'),
    dict(name='IAT', peer='iat', weights=['iat_best_Epoch_lol_v1.pth'], trained_on='LOL-v1'),
    dict(
        name='ISALux-MM, zero-shot', config='configs/isalux_zero_shot.py', checkpoint='isalux_zero_shot',
        trained_on='photographs made dark'),
    dict(
        name='ISALux-MM, LOL-v1', config='configs/isalux_lol_finetune.py', checkpoint='isalux_lol',
        trained_on='photographs made dark, then LOL-v1'),
    dict(
        name='ISALux-MM, other camera', config='configs/isalux_other_camera.py',
        options={'optim_wrapper.type': 'BFloat16OptimWrapper', 'train_dataloader.num_workers': 0,
                 'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
                 'val_dataloader.persistent_workers': False},
        trained_on='photographs made dark, then the other camera'),
    dict(
        name='ISALux-MM, general', config='configs/isalux_general.py', checkpoint='isalux_general',
        trained_on='photographs made dark, LOL-v1, the other camera'),
]
