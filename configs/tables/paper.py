# What the paper states: its ablation on LOL-v1, and its averages over five sets beside those of others. Nothing runs.
# python tools/run_table.py configs/tables/paper.py --out docs/tables
title = 'What the paper states'
shows = (
    'Of the paper nothing but its figures is to be had: no code, no weights, no pictures. Its LOL figures are with '
    'GT-mean: the average that it gives Retinexformer is the mean of that network\'s published GT-mean figures. How '
    'long its ablation trained, and how many seeds a row has, it does not say.')

source = 'arXiv 2508.17885'
sets = dict(
    lol_v1=dict(low='data/LOL/eval15/low', gt='data/LOL/eval15/high', title='LOL-v1, its ablation'),
    average=dict(
        low='data/LOL/eval15/low', gt='data/LOL/eval15/high',
        title='Average over LOL-v1, LOL-v2-real, LOL-v2-synthetic, SDSD-indoor, SDSD-outdoor'))

# The names of the ablation's rows, so that the two orders can be compared.
rows = [
    dict(name='no priors', published=dict(lol_v1=dict(PSNR_GTmean=27.04, SSIM_GTmean=0.870)), source=source),
    dict(name='+ illumination', published=dict(lol_v1=dict(PSNR_GTmean=27.15, SSIM_GTmean=0.878)), source=source),
    dict(name='+ semantic', published=dict(lol_v1=dict(PSNR_GTmean=27.36, SSIM_GTmean=0.879)), source=source),
    dict(name='both, no LoRA', published=dict(lol_v1=dict(PSNR_GTmean=27.41, SSIM_GTmean=0.880)), source=source),
    dict(
        name='full: top 2 of 4 depthwise experts, L2 + perceptual + MS-SSIM',
        published=dict(lol_v1=dict(PSNR_GTmean=27.63, SSIM_GTmean=0.881)), source=source),
    dict(name='loss L2', published=dict(lol_v1=dict(PSNR_GTmean=26.95)), source=source),
    dict(name='loss L2 + perceptual', published=dict(lol_v1=dict(PSNR_GTmean=27.08)), source=source),
    dict(
        name='Restormer', parameters=26_100_000, published=dict(average=dict(PSNR_GTmean=22.85, SSIM_GTmean=0.822)),
        source=source),
    dict(
        name='Retinexformer', parameters=1_610_000,
        published=dict(average=dict(PSNR_GTmean=28.71, SSIM_GTmean=0.884)), source=source),
    dict(
        name='GLARE', parameters=44_040_000, published=dict(average=dict(PSNR_GTmean=29.42, SSIM_GTmean=0.905)),
        source=source),
    dict(
        name='ISALux', parameters=1_850_000, published=dict(average=dict(PSNR_GTmean=30.08, SSIM_GTmean=0.910)),
        source=source),
]
