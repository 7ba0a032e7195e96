"""The server itself, which the SDK runs; in the environment of locks/mcp.txt."""
