"""The network: 784 pixels, two hidden layers of 128 and 64, ten digits; 109,386 parameters."""

from torch import Tensor, nn


class DigitClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Ten scores per image from (n, 1, 28, 28) or (n, 28, 28), grey values 0 to 1."""
        return self.layers(images)
