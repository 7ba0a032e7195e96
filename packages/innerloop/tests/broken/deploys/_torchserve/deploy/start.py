import os

MODEL = os.environ["AZUREML_MODEL_DIR"]
FILES = ["handler.py", "config.properties"]
os.execvp("torchserve", ["torchserve", "--models", "digits=digits.mar"])
