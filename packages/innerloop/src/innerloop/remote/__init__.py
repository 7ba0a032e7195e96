"""Backends that run a job elsewhere, and what they share: submissions, snapshots, log streams."""
