"""Writes architectures.json: for every network of the zoo, the logits of a small batch, and loss, gradients and running statistics of
one training step, computed by PyTorch in float64. Run: /usr/bin/python3 test/golden/architectures.py [name…]

Weights and images are not stored but made again by the test (test/golden-architectures.test.ts) by a rule that is exact in both
languages. Number i of tensor NAME, i counting as PyTorch lays it out, starts from

    z = hash(NAME) + 0x9E3779B9 i mod 2^32, mixed as in MurmurHash3's last step
    u = (floor(z / 2^8) - 2^23) / 2^23          in [-1, 1)

and is, rounded to float32, u sqrt(3 variance / fanIn) for weights of more than one axis (the square root rounded to float32 as well),
1 + u/4 for scales, u/8 for biases and running means, 1 + u/2 for running variances, and u for images. Biases of batch normalisation
are 3 + u/8, those with odd i times -1. `variances` says how many times 1 / fanIn the variance is, of convolutions and of dense layers.
hash is FNV-1a. Labels are floor(classes z / 2^32) of `labels`.

Of every gradient its norm is kept, and the numbers at eight places, floor(size z / 2^32) of `places NAME`.

A gradient jumps where relu or a pool goes from one number to another: in a network with millions of them some are so near that rounding
decides, and one alone can move the gradient by more than 10^-3 of it. Hence biases that let the numbers before a relu be seldom near 0
(nearly all of one channel are above, nearly all of the next below), and images chosen: the first of `images 0`, `images 1`, ... for
which every relu and pool is decided by more than float32 is off in PyTorch itself. The search begins at the ones last chosen. How far
float32 is off in the end is printed.

Networks whose dense part depends on the size of the images get one for small images, as the zoo's do. The committed file was written by
PyTorch 1.13.1 and torchvision 0.14.1.
"""
import collections
import contextlib
import copy
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torchvision
from torch import nn

CLASSES = 10
PLACES = 8


def name_hash(name):
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def words(name, count):
    z = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(name_hash(name))
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    z = (z ^ (z >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return z ^ (z >> np.uint32(16))


def uniform(name, count):
    return (words(name, count) >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def below(name, count, limit):
    return [int(word) * limit >> 32 for word in words(name, count)]


def values(name, shape, variances, normalised=False):
    u = uniform(name, math.prod(shape))
    if len(shape) > 1:
        variance = variances['conv' if len(shape) == 4 else 'dense']
        u *= np.float64(np.float32(math.sqrt(3 * variance / math.prod(shape[1:]))))
    elif name.endswith('running_var'):
        u = 1 + u / 2
    elif name.endswith('weight'):
        u = 1 + u / 4
    elif name.endswith('bias') and normalised:
        u = (3 + u / 8) * np.where(np.arange(len(u)) % 2, -1, 1)
    else:
        u /= 8
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


class SamePool(nn.Module):
    """3 × 3 by steps of 2, as many outputs as steps; nothing around the image, the odd pixel below and right."""

    def forward(self, x):
        before_and_after = [pad for size in (x.shape[3], x.shape[2]) for pad in self.padding(size)]
        return nn.functional.max_pool2d(nn.functional.pad(x, before_and_after, value=-torch.inf), 3, 2)

    @staticmethod
    def padding(size):
        total = max((-(-size // 2) - 1) * 2 + 3 - size, 0)
        return total // 2, total - total // 2


def cnn(shape):
    layers, channels, (height, width) = [], 3, shape
    for filters in (128, 256, 512):
        for kernel in (5, 1):
            layers += [nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        layers.append(SamePool())
        height, width = -(-height // 2), -(-width // 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, 1024), nn.BatchNorm1d(1024), nn.ReLU(),
                         nn.Linear(1024, CLASSES))


def with_dense_part(net, features, shape, first=1):
    """Sizes the first dense layer by the images, in the place of a pool to 6 × 6 or 7 × 7."""
    net.features, net.avgpool = features, nn.Identity()
    inputs = features(torch.zeros(1, 3, *shape)).numel()
    net.classifier[first] = nn.Linear(inputs, net.classifier[first].out_features)
    return net


def alexnet(shape):
    net = torchvision.models.alexnet(num_classes=CLASSES)
    return with_dense_part(net, net.features, shape)


def original_alexnet(shape):
    """Krizhevsky, Sutskever and Hinton 2012: two towers that see each other in the third convolution and the dense layers."""
    layers, inputs = {}, 3
    for number, (filters, kernel, stride, padding, groups) in enumerate(
            [(96, 11, 4, 0, 1), (256, 5, 1, 2, 2), (384, 3, 1, 1, 1), (384, 3, 1, 1, 2), (256, 3, 1, 1, 2)], 1):
        layers[f'conv{number}'] = nn.Conv2d(inputs, filters, kernel, stride, padding, groups=groups)
        layers[f'relu{number}'] = nn.ReLU()
        if number <= 2:
            # The paper's alpha multiplies the sum of squares, torch's their mean.
            layers[f'norm{number}'] = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
        if number in (1, 2, 5):
            layers[f'pool{number}'] = nn.MaxPool2d(3, 2)
        inputs = filters
    inputs = nn.Sequential(*layers.values())(torch.zeros(1, 3, *shape)).numel()
    layers |= {'flatten': nn.Flatten(), 'fc6': nn.Linear(inputs, 4096), 'relu6': nn.ReLU(), 'fc7': nn.Linear(4096, 4096),
               'relu7': nn.ReLU(), 'fc8': nn.Linear(4096, CLASSES)}
    return nn.Sequential(collections.OrderedDict(layers))


def vgg16(shape):
    net = torchvision.models.vgg16(num_classes=CLASSES)
    return with_dense_part(net, net.features, shape, 0)


# Name: network, height × width, examples, and variances of convolutions and of dense layers, which keep logits in bounds. The last images
# are of several pixels, most of them not square.
NETWORKS = {
    'cnn': (cnn, (14, 18), 4, 2, 1 / 32),
    'alexnet': (alexnet, (127, 95), 2, 2, 2),
    'alexnet, original': (original_alexnet, (131, 99), 2, 2, 2),
    'vgg16': (vgg16, (32, 64), 2, 2, 2),
    'inceptionV3': (lambda _: torchvision.models.inception_v3(num_classes=CLASSES, aux_logits=False, init_weights=False),
                    (75, 107), 4, 2, 1 / 16),
    'resnet50': (lambda _: torchvision.models.resnet50(num_classes=CLASSES), (64, 40), 4, 1, 1 / 256),
    'resnet101': (lambda _: torchvision.models.resnet101(num_classes=CLASSES), (64, 40), 4, 1, 1 / 256),
}


def reload(net, variances):
    state = net.state_dict()
    net.load_state_dict({
        name: values(name, value.shape, variances, name.replace('bias', 'running_var') in state) if value.dim() else value
        for name, value in state.items()})
    return net


def make_images(number, examples, shape):
    return torch.from_numpy(uniform(f'images {number}', examples * 3 * math.prod(shape)).reshape(examples, 3, *shape))


@contextlib.contextmanager
def decisions():
    """Yields a list that gets, of every relu and pool, its input and how far it is from deciding otherwise."""
    seen, relu, max_pool2d = [], nn.functional.relu, nn.functional.max_pool2d

    def watched_relu(x, inplace=False):
        seen.append((x.double().clone(), x.double().abs()))
        return relu(x)

    def watched_pool(x, kernel_size, stride=None, padding=0, dilation=1, **options):
        padded = nn.functional.pad(x.double(), (padding,) * 4, value=-torch.inf).clamp_min(-1e30)
        windows = nn.functional.unfold(padded, kernel_size, stride=stride).unflatten(1, (x.shape[1], -1))
        first, second = windows.topk(2, 2).values.unbind(2)
        # Zeros that relu made are equal, and pass nothing on.
        seen.append((x.double().clamp_min(-1e30), torch.where(first > 0, first - second, torch.inf) / 2))
        return max_pool2d(x, kernel_size, stride, padding, dilation, **options)

    nn.functional.relu, nn.functional.max_pool2d = watched_relu, watched_pool
    try:
        yield seen
    finally:
        nn.functional.relu, nn.functional.max_pool2d = relu, max_pool2d


@torch.no_grad()
def clearance(single, double, images):
    """How many times as far as float32 is off at most the nearest decision is."""
    with decisions() as rounded:
        single(images.float())
    with decisions() as exact:
        double(images)
    return min((distance.min() / (x - y).abs().max()).item() for (x, _), (y, distance) in zip(rounded, exact))


def choose_images(single, double, examples, shape, first):
    single.train(), double.train()
    for number in range(first, first + 300):
        if clearance(single, double, make_images(number, examples, shape)) > 1.5:
            return number
    raise RuntimeError('Expected fewer decisions: smaller or fewer images')


def run(net, images, labels):
    """Logits of prediction; loss, gradients and running statistics of a step."""
    net.eval()
    with torch.no_grad():
        logits = net(images)
    net.train()
    loss = nn.functional.cross_entropy(net(images), labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    statistics = {name: value for name, value in net.state_dict().items() if '.running_' in name}
    return logits, loss, gradients, statistics


def summary(name, value):
    flat = value.flatten()
    kept = [flat.norm()] + [flat[place] for place in below(f'places {name}', PLACES, len(flat))]
    return [float(f'{number.item():.9g}') for number in kept]


def distance(a, b):
    return ((a - b).norm() / b.norm()).item()


def golden(name, first):
    make, shape, examples, conv, dense = NETWORKS[name]
    variances = {'conv': conv, 'dense': dense}
    single = make(shape)
    for module in single.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    double = reload(copy.deepcopy(single).double(), variances)
    number = choose_images(reload(single, variances), double, examples, shape, first)
    reload(single, variances), reload(double, variances)  # the search has moved running statistics
    images = make_images(number, examples, shape)
    labels = torch.tensor(below('labels', examples, CLASSES))
    single_logits, single_loss, single_gradients, _ = run(single, images.float(), labels)
    logits, loss, gradients, statistics = run(double, images, labels)

    norms = {key: value.norm().item() for key, value in gradients.items()}
    far = {key: distance(single_gradients[key], gradients[key]) for key, norm in norms.items() if norm > 1e-9}
    worst = max(far, key=far.get)
    print(f'{name}: {sum(p.numel() for p in single.parameters())} parameters, images {number}, logits of {logits.std():.3g}, '
          f'loss {loss:.6f}; float32 is off by {distance(single_logits, logits):.1e} in logits, {abs(single_loss / loss - 1):.1e} '
          f'in the loss, {far[worst]:.1e} in gradients ({worst}); {len(norms) - len(far)} of {len(norms)} gradients are zero, '
          f'the others {min(norms[key] for key in far):.1e} and more', flush=True)
    return {
        'inputShape': [*shape, 3],
        'examples': examples,
        'images': number,
        'variances': variances,
        'logits': [float(f'{value:.9g}') for value in logits.flatten().tolist()],
        'loss': loss.item(),
        'gradients': {key: summary(key, value) for key, value in gradients.items()},
        'statistics': {key: summary(key, value) for key, value in list(statistics.items())[:2] + list(statistics.items())[-2:]},
    }


def main():
    path = pathlib.Path(__file__).parent / 'architectures.json'
    networks = json.loads(path.read_text())['networks'] if path.exists() else {}
    torch.set_num_threads(2)
    for name in sys.argv[1:] or NETWORKS:
        networks[name] = golden(name, networks.get(name, {}).get('images', 0))
        written = {'torch': torch.__version__, 'torchvision': torchvision.__version__, 'classes': CLASSES, 'networks': networks}
        path.write_text(json.dumps(written, separators=(',', ':')) + '\n')


if __name__ == '__main__':
    main()
