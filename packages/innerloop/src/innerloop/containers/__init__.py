"""Dev containers: opened, found, compared with what they were made from, left."""
