# ISALux, 1.85 M parameters, with both priors and the hybrid loss of Eq. 13.
# Loss weights are ours (paper silent): MSE leads; the others add structure without outweighing it.
model = dict(
    type='LowLightEnhancer',
    network=dict(
        type='ISALux',
        embed_dims=(24, 48, 96),
        depths=(1, 2, 6),
        num_heads=(1, 2, 4),
        illumination_prior=dict(type='MaxChannelPrior'),
        semantic_prior=dict(type='TorchvisionSemanticPrior', short_side=256),
        attention=dict(type='HISAAttention', lora_reduction=5),
        ffn=dict(
            type='MoEFFN',
            num_experts=4,
            experts=dict(type='DepthwiseExpert', expansion=2.0),
            gate=dict(type='TopKGate', top_k=2))),
    losses=dict(
        loss_mse=dict(type='MSELoss', loss_weight=1.0),
        loss_perceptual=dict(
            type='PerceptualLoss', loss_weight=0.01, features=dict(type='VGG19Features', layers=('relu5_4', ))),
        loss_ms_ssim=dict(type='MSSSIMLoss', loss_weight=0.2)),
    balance_loss=dict(type='BalanceLoss', kind='switch', loss_weight=0.01),
    data_preprocessor=dict(type='LowLightDataPreprocessor'))
