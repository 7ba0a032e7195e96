"""Jobs and data on Azure ML, as this machine knows them; nothing here imports its client."""
