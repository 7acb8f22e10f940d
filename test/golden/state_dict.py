"""Small PyTorch models, their state dicts as safetensors files, and the logits that PyTorch computes for a few images, in float64: state_dict.*.
Run with Debian's python3-torch:

    /usr/bin/python3 test/golden/state_dict.py
"""
import json
import pathlib

import torch
from safetensors_file import write_safetensors
from torch import nn

here = pathlib.Path(__file__).parent
torch.manual_seed(11)
height, width, channels, classes, examples = 7, 6, 3, 5, 4


class Residual(nn.Module):
    """Names of its own, a branch, and a flattened image before the last layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.block = nn.Sequential(nn.Conv2d(8, 8, (1, 3), padding=(0, 1), groups=2), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8 * 3 * 3, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.block(x) + x)
        return self.fc(torch.flatten(nn.functional.max_pool2d(x, 2), 1))


models = {
    # A flattened image goes through layers that keep its order, one of them with tensors of its own.
    "sequential": nn.Sequential(
        nn.Conv2d(channels, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.BatchNorm1d(4 * 5 * 4),
        nn.Dropout(0.3),
        nn.Linear(4 * 5 * 4, 9),
        nn.ReLU(),
        nn.Linear(9, classes),
    ),
    "residual": Residual(),
}
x = torch.randn(examples, channels, height, width, dtype=torch.float64)
golden = {"torch": torch.__version__, "inputShape": [height, width, channels], "classes": classes, "logits": {}}
# Images as this package has them.
golden["inputs"] = x.permute(0, 2, 3, 1).flatten().tolist()
for name, model in models.items():
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if key.endswith("running_var") else torch.randn_like(value) * 0.3)
    write_safetensors(here / f"state_dict.{name}.safetensors", model.state_dict(), {"format": "pt"})
    with torch.no_grad():
        golden["logits"][name] = model.double().eval()(x).flatten().tolist()
(here / "state_dict.json").write_text(json.dumps(golden) + "\n")
