"""The orchestrator: turns an experiment's specification into runs, containers and editor files."""

__version__ = "0.2.0"
