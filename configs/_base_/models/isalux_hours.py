# The illumination-prior variant with the losses that trained best in hours of a CPU: Charbonnier, 1 - SSIM, and the
# grid that the upsampling leaves (ours); with the packaged semantic prior, and harmless to what is not dark.
_base_ = ['./isalux_illumination.py']

model = dict(
    network=dict(
        semantic_prior=dict(_delete_=True, type='PackagedSemanticPrior'),
        safeguards=('fade', 'gray', 'black'),
        attention=dict(form='by_image'),  # the fastest on a CPU; the numbers are those of the others
        ffn=dict(dispatch='by_image')),
    losses=dict(
        _delete_=True,
        loss_charbonnier=dict(type='CharbonnierLoss', loss_weight=1.0),
        loss_ssim=dict(type='SSIMLoss', loss_weight=0.2),
        loss_checkerboard=dict(type='CheckerboardLoss', loss_weight=5.0, cells=13)))
