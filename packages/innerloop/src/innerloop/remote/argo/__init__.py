"""Jobs on a Kubernetes cluster with Argo Workflows."""
