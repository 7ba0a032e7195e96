"""The orchestrator: turns an experiment's specification into runs, containers and editor files."""

from .util import quick_dataclasses

__version__ = "0.2.0"

quick_dataclasses.install()
