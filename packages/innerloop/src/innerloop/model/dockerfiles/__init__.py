"""Dockerfiles and .dockerignore files, read no further than needed."""
