"""The facts of each backend held against each other."""
