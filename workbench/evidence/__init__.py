"""Evidence: one file an experiment, one board (`workbench.evidence.board`)."""
