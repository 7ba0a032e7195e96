"""Reads a workspace off the disk into the values of `model`."""
