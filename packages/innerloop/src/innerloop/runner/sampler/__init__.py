"""What chooses the values of a sweep's trials, beyond what this package draws itself."""
