# The illumination-prior variant with the losses that trained best in hours of a CPU: Charbonnier, 1 - SSIM, and the
# grid that the upsampling leaves (ours).
_base_ = ['./isalux_illumination.py']

model = dict(
    losses=dict(
        _delete_=True,
        loss_charbonnier=dict(type='CharbonnierLoss', loss_weight=1.0),
        loss_ssim=dict(type='SSIMLoss', loss_weight=0.2),
        loss_checkerboard=dict(type='CheckerboardLoss', loss_weight=5.0, cells=13)))
