"""The command line: dispatch, help, completion."""
