"""What a run leaves beside its results, and past runs read again."""
