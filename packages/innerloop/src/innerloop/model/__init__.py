"""Values parsed from text: workspace, experiments, jobs, settings, Dockerfiles.

Pure and frozen: nothing here touches the disk or starts a program.
"""
