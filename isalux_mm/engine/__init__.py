"""Hooks and the construction of optimizers; importing registers them."""
from isalux_mm.engine import hooks, optim  # noqa: F401
