"""Variables of a sweep's trials."""

# Where a trial's MLflow keeps its metrics when nothing else is said: files below ./outputs, which
# newer versions (3.17 is one) write only when they are told that files are meant.
TRACKING = {
    "MLFLOW_TRACKING_URI": "file:./outputs/mlruns",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
