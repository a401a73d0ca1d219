# Enhancers for the chain: the packaged weights for detectors (see docs/model_card.md), frozen and to be trained.
# The network sees images reduced to `work_short_side`, here as in its training; None is full resolution, in mode 'full'.
isalux_joint = dict(type='ISALuxNeck', network='isalux_detect', work_short_side=64)
isalux_frozen = dict(isalux_joint, frozen=True, mode='fast')
# One line of `optim_wrapper.paramwise_cfg.custom_keys`: the enhancer learns at a tenth of the detector's rate.
slow_enhancer = {'enhancer': dict(lr_mult=0.1)}
