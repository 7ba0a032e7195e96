"""A shell, JupyterLab and notebooks in an experiment's environment."""
