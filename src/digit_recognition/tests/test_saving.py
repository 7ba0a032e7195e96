import json

import torch

from model import DigitClassifier
from saving import save_model


def test_the_saved_program_predicts_as_the_network_for_any_number_of_images(tmp_path):
    network = DigitClassifier().eval()
    save_model(tmp_path, network, {"test_accuracy": 0.5})
    program = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 2, 7):
        images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
        expected = network(images.float() / 255).softmax(1)
        assert torch.allclose(program(images), expected, atol=1e-6)


def test_model_json_describes_input_classes_and_scores(tmp_path):
    save_model(tmp_path, DigitClassifier(), {"dataset": "MNIST", "test_accuracy": 0.5})
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["format"] == 1
    assert about["input"]["shape"] == ["n", 28, 28]
    assert about["classes"] == list("0123456789")
    assert (about["dataset"], about["test_accuracy"]) == ("MNIST", 0.5)


def test_saving_a_network_in_training_leaves_it_in_training(tmp_path):
    network = DigitClassifier().train()
    save_model(tmp_path, network, {})
    assert network.training
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert weights.keys() == network.state_dict().keys()
