"""Datasets and pipelines; importing registers them."""
from isalux_mm.datasets import darkening, image_datasets, loading, samplers, synthesis, transforms  # noqa: F401
