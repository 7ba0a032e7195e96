"""The program that imports the Kubernetes client; it runs in an environment of its own."""
