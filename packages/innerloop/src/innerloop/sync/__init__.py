"""Generated files: what each should say, and the three-way merge with what a person wrote."""
