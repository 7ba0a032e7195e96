"""The names that say where experiments are. Apart from `experiment_paths`: a key press needs them."""

from __future__ import annotations

# The folder of experiments, and the file of an experiment's or the workspace's own settings.
SOURCES = "src"
SETTINGS_FILE = "innerloop.toml"
