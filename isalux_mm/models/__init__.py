"""Networks, priors, experts, losses and the enhancer; importing registers them."""
from isalux_mm.models import attention, experts, gates, isalux, priors  # noqa: F401
