"""Azure ML job files: command, sweep and pipeline jobs, and what they refer to."""
