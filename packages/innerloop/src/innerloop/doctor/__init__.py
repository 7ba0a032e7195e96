"""What is missing on this machine, and clean-up."""
