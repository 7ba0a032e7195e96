"""Backends that run a job on this machine: docker, venv, in-container."""
