"""Pure functions on tensors and arrays; nothing of ours is imported but each other."""
