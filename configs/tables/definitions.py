# What the definition of a measure alone is worth: the same results of five methods under every GT-mean and SSIM.
# python tools/run_table.py configs/tables/definitions.py --out docs/tables
# The results are those that configs/tables/lol_v1.py has left in work_dirs/tables/lol_v1; compute these rows first.
title = 'What the definition alone is worth'
shows = (
    'The same 8-bit results on LOL-v1\'s 15 test pairs, scored by each definition that is in use. GT-mean: grey with '
    '.299, .587 and .114; the same with red and blue exchanged (Retinexformer, GLARE); of greys rounded to 8 bits '
    '(HVI-CIDNet); mean of all channels (LYT-Net); and grey with values above white kept, which nobody publishes. '
    'SSIM: Gaussian window over RGB; of pictures rounded to 8 bits (BasicSR); of grey pictures; uniform window of 7x7 '
    '(scikit-image\'s defaults).')

results = 'work_dirs/tables/lol_v1/'
sets = dict(
    eval15=dict(
        low='data/LOL/eval15/low', gt='data/LOL/eval15/high', title='eval15',
        measures=['PSNR', 'PSNR_8bit', 'PSNR_GTmean', 'PSNR_GTmean_bgr', 'PSNR_GTmean_8bit', 'PSNR_GTmean_channels',
                  'PSNR_GTmean_unclipped', 'SSIM', 'SSIM_8bit', 'SSIM_gray', 'SSIM_uniform']))

rows = [
    dict(name='dark input', outputs=results + 'dark_input/{set}'),
    dict(name='Zero-DCE', outputs=results + 'zero_dce/{set}', parameters=79_416),
    dict(name='PairLIE, exponent 0.14', outputs=results + 'pairlie_exponent_0_14/{set}', parameters=341_767),
    dict(name='IAT', outputs=results + 'iat/{set}', parameters=91_154),
    dict(name='ISALux-MM, general', outputs=results + 'isalux_mm_general/{set}', parameters=1_836_623),
]
