"""A job submission to Azure ML: plan, then execute."""
