"""Errors, processes, files, console, network: what every room may use."""
