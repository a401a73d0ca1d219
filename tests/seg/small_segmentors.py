"""mmseg's own segmentors made small, and batches for them; for the tests of the chain."""
import copy
from pathlib import Path

import numpy as np
import torch

from isalux_mm.seg import EnhancedSegmentor  # isort: skip  # puts the operators in place before mmseg's models

import mmseg
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

CONFIGS = Path(mmseg.__path__[0]) / '.mim/configs'
SIZE = (64, 96)
LARGE = (432, 448)
RESNET18 = dict(depth=18, stem_channels=16, base_channels=16, init_cfg=None)


def r18(in_channels: int | list = 128, aux: int = 64, **head) -> dict:
    return dict(pretrained=None, backbone=RESNET18, decode_head=dict(in_channels=in_channels, channels=32, **head),
                auxiliary_head=dict(in_channels=aux, channels=16))


# name: (config of mmseg, changes that make it small)
SEGMENTORS = {
    'FCN': ('fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py', r18()),
    'DeepLabV3+': ('deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
                   r18(c1_in_channels=16, c1_channels=16)),
    'PSPNet': ('pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py', r18()),
    'CCNet': ('ccnet/ccnet_r50-d8_4xb2-40k_cityscapes-512x1024.py', r18()),
    'UPerNet': ('upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py', r18([16, 32, 64, 128])),
    'EncNet': ('encnet/encnet_r50-d8_4xb2-40k_cityscapes-512x1024.py', r18([32, 64, 128], num_codes=4)),
    'SegFormer': ('segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
                  dict(backbone=dict(init_cfg=None), test_cfg=dict(crop_size=(48, 64), stride=(32, 32)))),
    'LRASPP': ('mobilenet_v3/mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024.py',
               dict(backbone=dict(init_cfg=None), pretrained=None)),
    'OCRNet (cascade)': ('ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024.py',
                         dict(pretrained=None, backbone=dict(init_cfg=None))),
}


def whole_config(name: str) -> Config:
    """The config as mmseg ships it, with the small model."""
    path, changes = SEGMENTORS[name]
    config = Config.fromfile(CONFIGS / path)
    config.merge_from_dict(dict(model=changes))
    config.model.data_preprocessor.size = LARGE if name == 'LRASPP' else SIZE  # LRASPP pools 49 x 49 at stride 8
    return config


def build_plain(model: ConfigDict, seed: int = 0):
    torch.manual_seed(seed)
    return revert_sync_batchnorm(MODELS.build(ConfigDict(copy.deepcopy(model), _scope_='mmseg')))


def build_chain(model: ConfigDict, weights=None, **options) -> EnhancedSegmentor:
    """The chain around a segmentor; the identity is the default enhancer."""
    options.setdefault('enhancer', dict(type='ISALuxNeck', network=dict(type='Identity')))
    chain = revert_sync_batchnorm(EnhancedSegmentor(segmentor=copy.deepcopy(model), **options))
    if weights is not None:
        chain.segmentor.load_state_dict(weights)
    return chain


def batch(sizes: tuple = (SIZE, SIZE), *, seed: int = 0, reference: bool = False) -> dict:
    """Images as a pipeline gives them (uint8, BGR), with label maps."""
    rng = np.random.default_rng(seed)
    inputs, samples = [], []
    for h, w in sizes:
        inputs.append(torch.from_numpy(rng.integers(0, 90, (3, h, w), np.uint8)))
        sample = SegDataSample(
            metainfo=dict(img_shape=(h, w), ori_shape=(2 * h, 2 * w), scale_factor=(0.5, 0.5), flip=False,
                          img_path='x'))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(rng.integers(0, 19, (1, h, w))))
        if reference:
            sample.set_data(dict(reference_img=torch.full((3, h, w), 200, dtype=torch.uint8)))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
