"""The program that imports azure-ai-ml; it runs in an environment of its own."""
