"""Settings of the workspace and of an experiment, schedules and orchestrators."""
