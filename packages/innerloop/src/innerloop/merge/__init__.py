"""What a person wrote survives: files that both a person and `loop sync` write, merged per path."""
