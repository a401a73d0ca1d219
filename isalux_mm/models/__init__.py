"""The paper: networks, priors, experts, losses and the enhancer; importing registers them."""
from isalux_mm.models import (  # noqa: F401
    attention,
    baselines,
    data_preprocessor,
    enhancer,
    experts,
    gates,
    isalux,
    losses,
    priors,
    zero_reference,
)
