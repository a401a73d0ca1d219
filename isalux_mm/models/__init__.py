"""Networks, priors, experts, losses and the enhancer; importing registers them."""
from isalux_mm.models import (  # noqa: F401
    attention,
    baselines,
    chain,
    data_preprocessor,
    deeplab,
    enhancer,
    experts,
    gates,
    isalux,
    losses,
    neck,
    prior_adaptation,
    priors,
    zero_reference,
)
