# The illumination-prior variant: no semantic prior, no feature network in the loss, so nothing to download.
# Losses ours: Charbonnier keeps the colours, MS-SSIM (shorter pyramid on small views) the structure.
_base_ = ['./isalux.py']

model = dict(
    network=dict(semantic_prior=dict(_delete_=True, type='NoPrior'), brightened_input=True),
    losses=dict(
        _delete_=True,
        loss_charbonnier=dict(type='CharbonnierLoss', loss_weight=1.0),
        loss_ms_ssim=dict(type='MSSSIMLoss', loss_weight=0.2, auto_scales=True)))
