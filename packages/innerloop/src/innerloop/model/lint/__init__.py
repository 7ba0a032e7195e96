"""Findings in job files, deploy folders, schedules and Argo settings."""
