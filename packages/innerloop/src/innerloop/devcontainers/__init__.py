"""Dev containers: start, find, compare with their sources, run commands in them."""
