"""Hooks; importing registers them."""
from isalux_mm.engine import hooks  # noqa: F401
