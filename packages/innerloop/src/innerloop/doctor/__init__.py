"""Checks of this machine, and clean-up."""
