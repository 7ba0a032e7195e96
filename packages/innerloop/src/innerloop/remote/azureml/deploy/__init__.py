"""Online endpoints and deployments on Azure ML."""
