"""Generated files: what they should contain, and the three-way merge with what a person wrote."""
