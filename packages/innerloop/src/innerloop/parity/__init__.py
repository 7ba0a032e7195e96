"""Whether every place runs the same thing."""
