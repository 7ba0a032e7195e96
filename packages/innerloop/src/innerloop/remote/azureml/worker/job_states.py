"""The provisioning states of an endpoint or a deployment, in Azure's own words."""

# An operation is still going on.
UNSETTLED = ("Creating", "Updating", "Scaling", "Deleting", "Provisioning")
FAILED = ("Failed", "Canceled")
