"""The names that say where experiments are. Apart from `experiment_paths`: a key press needs them."""

from __future__ import annotations

# The folder of experiments, and the names of their parts in it.
SOURCES = "src"
SETTINGS_FILE = "innerloop.toml"
ENVIRONMENT = "environment"
DOCKERFILE = "Dockerfile"
