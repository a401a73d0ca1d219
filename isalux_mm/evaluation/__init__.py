"""Metrics; importing registers them."""
from isalux_mm.evaluation import metrics  # noqa: F401
