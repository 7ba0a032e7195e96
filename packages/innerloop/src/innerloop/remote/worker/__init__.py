"""The protocol between the tool and a worker process that imports an SDK."""
