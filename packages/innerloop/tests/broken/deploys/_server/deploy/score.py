import os


def init():
    print(os.environ["AZUREML_MODEL_DIR"])


def run(data):
    return data
