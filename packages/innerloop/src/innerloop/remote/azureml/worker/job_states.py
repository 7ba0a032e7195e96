"""How an endpoint or a deployment stands on Azure, in the service's own words."""

# Azure still works on something.
UNSETTLED = ("Creating", "Updating", "Scaling", "Deleting", "Provisioning")
FAILED = ("Failed", "Canceled")
