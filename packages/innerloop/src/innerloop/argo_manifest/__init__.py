"""A job as an Argo Workflow: pure and deterministic. `remote/argo` submits it, `sync/render` writes it to a file."""
