"""Errors, processes, files, console, network: what every room may use."""

# Before another module of the package imports `dataclasses`, and `inspect` with it.
from . import quick_dataclasses as quick_dataclasses
