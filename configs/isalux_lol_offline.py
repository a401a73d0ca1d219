# isalux_lol.py without any download: the packaged semantic prior and its features in the place of torchvision's
# LRASPP and VGG-19; the three terms of Eq. 13 stay.
# Expected: not trained to the end yet; the paper's figures are for LRASPP and VGG-19.
# python tools/train.py configs/isalux_lol_offline.py
_base_ = ['./isalux_lol.py']

model = dict(
    network=dict(semantic_prior=dict(_delete_=True, type='PackagedSemanticPrior')),
    losses=dict(
        # these features differ by about 9 where the squared error is 0.01: the three terms are then of one size
        loss_perceptual=dict(
            loss_weight=0.001, features=dict(_delete_=True, type='PackagedFeatures', layers=(3, 6, 13)))))
