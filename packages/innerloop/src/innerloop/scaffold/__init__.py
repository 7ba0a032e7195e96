"""An experiment's life: create, rename, remove, format."""
