"""A run: plan, resolve the environment, execute; sweeps and pipelines."""
