"""Jobs, data and endpoints on Azure Machine Learning."""
