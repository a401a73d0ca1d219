# The paper's ablation and ours at a small budget: 0.5 M parameters, 50 iterations of 2 views of 64x96, three seeds.
# python tools/run_table.py configs/tables/ablation.py --out docs/tables
# 48 trainings; --print gives a command for each, --launcher 'torchrun --nproc_per_node=4' spreads each over GPUs.

title = 'Ablation on LOL-v1, small budget'
shows = (
    'A network of about 0.5 M parameters, all rows with the same 50 iterations of 2 views of 64x96, pictures and '
    'learning rate, scored on a picture of every fourth of 40 scenes that none of them saw. It can show what a part is '
    'worth in the first minute of the training of a small network; it cannot show the order after a full training at '
    '1.85 M parameters, and a difference below the spread of the seeds shows nothing. The packaged semantic prior and '
    'its features stand in the place of torchvision\'s. Experts and top-k rows differ in parameters or in computation '
    'too.')

# Of every fourth scene of `lol_v1_holdout` its first picture.
pictures = [67, 127, 236, 470, 492, 526, 570, 660, 708, 739]
sets = dict(
    held_out=dict(
        low='data/LOL/our485/low', gt='data/LOL/our485/high', only=pictures,
        title='10 pictures of 10 scenes held out', measures=['PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean']))

row_defaults = dict(seeds=[0, 1, 2], trained_on='LOL-v1 without 40 scenes')
folder = 'configs/ablation/small/'
rows = [
    dict(name='no priors', config=folder + 'no_priors.py'),
    dict(name='+ illumination', config=folder + 'illumination_only.py'),
    dict(name='+ semantic', config=folder + 'semantics_only.py'),
    dict(name='both, no LoRA', config=folder + 'no_lora.py'),
    dict(name='full: top 2 of 4 depthwise experts, L2 + perceptual + MS-SSIM', config=folder + 'full.py'),
    dict(name='loss L2', config=folder + 'loss_mse.py'),
    dict(name='loss L2 + perceptual', config=folder + 'loss_mse_perceptual.py'),
    dict(name='1 expert', config=folder + 'experts_1.py'),
    dict(name='2 experts, both', config=folder + 'experts_2.py'),
    dict(name='top 2 of 8 experts', config=folder + 'experts_8.py'),
    dict(name='top 1 of 4 experts', config=folder + 'top_1.py'),
    dict(name='all of 4 experts (a soft gate)', config=folder + 'top_4.py'),
    dict(name='noisy top-k gate', config=folder + 'gate_noisy.py'),
    dict(name='experts with a dense 3x3', config=folder + 'expert_conv.py'),
    dict(name='gated depthwise experts', config=folder + 'expert_gated.py'),
    dict(name='dense feed-forward, no mixture', config=folder + 'dense_ffn.py'),
]
