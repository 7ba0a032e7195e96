"""Apptainer (or Singularity) on this machine: the program, its image files, and how they are made."""
