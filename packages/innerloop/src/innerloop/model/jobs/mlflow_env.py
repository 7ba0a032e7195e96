"""Variables of a sweep's trials."""

# MLflow's default location for a trial: files below ./outputs. Newer versions (3.17) write files only
# with the second variable.
TRACKING = {
    "MLFLOW_TRACKING_URI": "file:./outputs/mlruns",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
