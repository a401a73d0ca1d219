"""Datasets and pipelines; importing registers them."""
from isalux_mm.datasets.darkening import DarkenImage
from isalux_mm.datasets.grading import GradeReference
from isalux_mm.datasets.image_datasets import ImageFolderDataset, PairedImageDataset, PhotoDataset, UnpairedImageDataset
from isalux_mm.datasets.loading import LoadImages
from isalux_mm.datasets.samplers import SharedInfiniteSampler
from isalux_mm.datasets.seeding import PlacedSampler, SeededDataset
from isalux_mm.datasets.synthesis import KeepLuma, SynthesizeLowLight
from isalux_mm.datasets.transforms import (
    PackEnhanceInputs,
    PairedLandscape,
    PairedMixup,
    PairedRandomCrop,
    PairedRandomFlip,
    PairedRandomRotate90,
    PairedResize,
    PairedTransform,
    RandomResizedView,
)

__all__ = ['DarkenImage', 'GradeReference', 'ImageFolderDataset', 'KeepLuma', 'LoadImages', 'PackEnhanceInputs',
           'PairedImageDataset', 'PairedLandscape', 'PairedMixup', 'PairedRandomCrop', 'PairedRandomFlip',
           'PairedRandomRotate90', 'PairedResize', 'PairedTransform', 'PhotoDataset', 'PlacedSampler',
           'RandomResizedView', 'SeededDataset', 'SharedInfiniteSampler', 'SynthesizeLowLight', 'UnpairedImageDataset']
