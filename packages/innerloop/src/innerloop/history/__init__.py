"""The records of runs: written while a run goes on, read again later."""
