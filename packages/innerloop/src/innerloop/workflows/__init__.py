"""A job in the words of Argo Workflows: the manifest of a Workflow, and the WorkflowTemplate and
CronWorkflow that start the same one by time. Pure and deterministic; what stands in a cluster is in
`spec/argo_setting.py`, what talks to one in `places/argo`."""
