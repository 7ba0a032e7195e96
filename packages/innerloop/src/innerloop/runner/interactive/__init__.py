"""The environment that people work in: a shell, JupyterLab, notebooks."""
