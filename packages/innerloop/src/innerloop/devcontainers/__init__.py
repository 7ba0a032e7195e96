"""Dev containers: open, find, compare with what they were made from, run commands in them."""
