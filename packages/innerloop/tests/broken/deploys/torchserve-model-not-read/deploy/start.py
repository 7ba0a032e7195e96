import os

MODEL = "/models"
FILES = ["handler.py", "config.properties"]
os.execvp("torchserve", ["torchserve", "--models", "digits=digits.mar"])
