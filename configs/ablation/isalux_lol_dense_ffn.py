# Ablation on LOL-v1: a dense feed-forward instead of the mixture.
# Expected (the paper's): no figure in the paper; its full model: PSNR 27.63, SSIM 0.881. Ours: not trained yet.
# python tools/train.py configs/ablation/isalux_lol_dense_ffn.py
_base_ = ['../isalux_lol.py']

model = dict(network=dict(ffn=dict(_delete_=True, type='DenseFFN', expert=dict(type='DepthwiseExpert', expansion=4.0))))
