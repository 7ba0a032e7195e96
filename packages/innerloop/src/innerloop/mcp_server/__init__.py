"""A local server of the Model Context Protocol: the tool's commands as tools of a coding agent."""
