"""A run: planned, prepared for a place, carried out; and runs of several parts."""
