"""The process that imports Optuna and SciPy; in the environment of locks/sweep.txt."""
