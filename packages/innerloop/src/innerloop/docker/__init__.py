"""The Docker engine: what it can do, its command line, images."""
