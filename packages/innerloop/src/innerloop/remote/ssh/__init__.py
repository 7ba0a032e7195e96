"""The backend ssh: a job runs on a machine that the person reaches by ssh."""
