# Dark photographs without references: NIQE, lower is better.
# python tools/run_table.py configs/tables/no_reference.py --weights checkpoints --out docs/tables
# data/LIME and data/DICM hold the pictures that the Zero-DCE repository publishes: 9 of LIME's 10, 32 of DICM's 64.
title = 'Dark photographs without references'
shows = (
    'NIQE (Mittal et al., 2013) measures how far local statistics are from those of sharp photographs. It punishes '
    'what is smooth and does not see wrong colours; differences of some tenths say little. Published figures are of '
    'other implementations and of more pictures.')

source = 'arXiv 2508.17885; implementation and pictures not stated'
sets = dict(
    lime=dict(low='data/LIME', title='LIME, 9 pictures', measures=['NIQE']),
    dicm=dict(low='data/DICM', title='DICM, 32 pictures', measures=['NIQE']))

rows = [
    dict(name='dark input', peer='input', trained_on='-'),
    dict(name='gamma to mean 0.45', peer='gamma', trained_on='-'),
    dict(name='CLAHE', peer='clahe', trained_on='-'),
    dict(name='Zero-DCE', peer='zero_dce', weights=['zero_dce_Epoch99.pth'], trained_on='no references'),
    dict(name='SCI, medium', peer='sci', weights=['sci_medium.pt'], trained_on='no references'),
    dict(name='PairLIE', peer='pairlie', weights=['PairLIE.pth'], trained_on='pairs of low exposures'),
    dict(name='IAT', peer='iat', weights=['iat_best_Epoch_lol_v1.pth'], trained_on='LOL-v1'),
    dict(
        name='GLARE', trained_on='LOL', parameters=44_040_000,
        published=dict(lime=dict(NIQE=4.52), dicm=dict(NIQE=3.61)), source=source),
    dict(
        name='ISALux, the paper', parameters=1_850_000, trained_on='LOL',
        published=dict(lime=dict(NIQE=3.91), dicm=dict(NIQE=3.21)), source=source),
    dict(
        name='ISALux-MM, zero-shot', config='configs/isalux_zero_shot.py', checkpoint='isalux_zero_shot',
        trained_on='photographs made dark'),
    dict(
        name='ISALux-MM, general', config='configs/isalux_general.py', checkpoint='isalux_general',
        trained_on='photographs made dark, LOL-v1, another camera'),
]
