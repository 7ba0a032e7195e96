"""Serves a model over HTTP on this machine."""
