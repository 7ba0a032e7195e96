"""Slurm: jobs become batch scripts of a cluster, on whose login node the tool is or which ssh reaches."""
