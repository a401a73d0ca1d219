# LOL-v1, eval15, 600x400: classical methods, peers run here from their published weights, ours, and published figures.
# python tools/run_table.py configs/tables/lol_v1.py --weights checkpoints --out docs/tables
# The peers' weights, under the names below, go into checkpoints/ (docs/tables.md says whose they are).
title = 'LOL-v1, the 15 test pairs at 600x400'
shows = (
    'Every measured row went through the same code: results rounded to 8 bits, no picture resized, raw and GT-mean '
    '(grey with .299, .587 and .114, clipped) side by side. 15 pictures are few, as the intervals say, and 14 of them '
    'show scenes that the training set shows too: supervised rows are flattered. Published rows are what their sources '
    'print; these do not all define their figures alike. LPIPS has no column: the weights of its backbones were not '
    'to be had. Times come from a machine in use and compare rows roughly.')

sets = dict(
    eval15=dict(
        low='data/LOL/eval15/low', gt='data/LOL/eval15/high', title='eval15',
        measures=['PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean', 'CIEDE2000']))

retinexformer_table = 'Cai et al., ICCV 2023, Table 1'
rows = [
    dict(name='dark input', peer='input', trained_on='-'),
    dict(name='gamma to mean 0.45', peer='gamma', trained_on='-'),
    dict(name='histogram equalization', peer='equalize', trained_on='-'),
    dict(name='CLAHE', peer='clahe', trained_on='-'),
    dict(
        name='Zero-DCE', peer='zero_dce', weights=['zero_dce_Epoch99.pth'], trained_on='no references',
        published=dict(eval15=dict(PSNR=14.86, SSIM=0.562)), source='tables of later papers'),
    dict(name='SGZ', peer='sgz', weights=['sgz_Epoch99.pth'], trained_on='no references'),
    dict(name='SCI, easy', peer='sci', weights=['sci_easy.pt'], trained_on='no references'),
    dict(
        name='SCI, medium', peer='sci', weights=['sci_medium.pt'], trained_on='no references',
        published=dict(eval15=dict(PSNR=14.78, SSIM=0.525)), source='tables of later papers, weights not named'),
    dict(name='SCI, difficult', peer='sci', weights=['sci_difficult.pt'], trained_on='no references'),
    dict(
        name='RUAS, LOL', peer='ruas', weights=['ruas_lol.pt'], trained_on='LOL-v1, no references',
        published=dict(eval15=dict(PSNR=16.40, SSIM=0.503)), source='tables of later papers'),
    dict(name='RUAS, MIT-Adobe', peer='ruas_undenoised', weights=['ruas_upe.pt'], trained_on='no references'),
    dict(
        name='PairLIE, exponent 0.2', peer='pairlie', weights=['PairLIE.pth'], trained_on='pairs of low exposures'),
    dict(
        name='PairLIE, exponent 0.14', peer='pairlie_lol', weights=['PairLIE.pth'], trained_on='pairs of low exposures',
        published=dict(eval15=dict(PSNR=19.51, SSIM=0.736)), source='Fu et al., CVPR 2023',
        note="the authors' exponent for LOL"),
    dict(
        name='URetinex-Net', peer='uretinex',
        weights=['uretinex_init_low.pth', 'uretinex_unfolding.pth', 'uretinex_L_adjust.pth'], trained_on='LOL-v1',
        published=dict(eval15=dict(PSNR=21.33, SSIM=0.835)), source='Wu et al., CVPR 2022',
        note="ratio 5, the default of the authors' script, for every picture; with which ratio the stated figure was "
        'taken is not known to us, and the exposure that it sets is most of the error, as GT-mean shows'),
    dict(
        name='IAT', peer='iat', weights=['iat_best_Epoch_lol_v1.pth'], trained_on='LOL-v1',
        published=dict(eval15=dict(PSNR=23.38, SSIM=0.809)), source='Cui et al., BMVC 2022'),
    dict(
        name='Restormer', parameters=26_126_644, trained_on='LOL-v1',
        published=dict(eval15=dict(PSNR=22.43, SSIM=0.823)), source=retinexformer_table),
    dict(
        name='SNR-Net', trained_on='LOL-v1', published=dict(eval15=dict(PSNR=24.61, SSIM=0.842)),
        source=retinexformer_table),
    dict(
        name='Retinexformer', parameters=1_605_701, trained_on='LOL-v1',
        published=dict(eval15=dict(PSNR=25.16, SSIM=0.845, PSNR_GTmean=27.18, SSIM_GTmean=0.850)),
        source='Cai et al., ICCV 2023, and its repository for GT-mean'),
    dict(
        name='ISALux, the paper', parameters=1_850_000, trained_on='LOL-v1',
        published=dict(eval15=dict(PSNR_GTmean=27.63, SSIM_GTmean=0.881)), source='arXiv 2508.17885'),
    dict(
        name='ISALux-MM, zero-shot', config='configs/isalux_zero_shot.py', checkpoint='isalux_zero_shot',
        trained_on='photographs made dark'),
    dict(
        name='ISALux-MM, general', config='configs/isalux_general.py', checkpoint='isalux_general',
        trained_on='photographs made dark, LOL-v1, another camera'),
    dict(
        name='ISALux-MM, LOL-v1', config='configs/isalux_lol_finetune.py', checkpoint='isalux_lol',
        trained_on='photographs made dark, then LOL-v1'),
]
