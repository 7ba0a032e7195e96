"""The model behind HTTP: a deploy folder, its image, its server here, and requests to it."""
