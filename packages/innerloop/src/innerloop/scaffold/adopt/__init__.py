"""A repository that was there before the tool: what is in it, and what the tool adds to it.

`repository_tree` is read by `scan`; `findings` and `proposal` are pure; `adoption` writes.
"""
