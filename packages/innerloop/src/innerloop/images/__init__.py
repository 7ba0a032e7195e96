"""Images: how they are built, by which builder, and what the machine puts around a run."""
