"""Real checkpoints of the family, opened with transformers."""
