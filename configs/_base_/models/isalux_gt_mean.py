# isalux_hours with half of its pixel loss taken after GT-mean (Liao et al., 2025), so that more of what is learned is
# contrast and colour.
_base_ = ['./isalux_hours.py']

model = dict(losses=dict(loss_charbonnier=dict(loss_weight=0.5), loss_gt_mean=dict(type='GTMeanLoss', loss_weight=0.5)))
