"""Writes image_layers.safetensors: every layer of images alone, computed by PyTorch in float64 from float32 values: its output, and
for a random gradient of the output those of the inputs and weights. Run: /usr/bin/python3 test/golden/image_layers.py

Images are stored height × width × channels, weights filters × height × width × channels of a group. The committed file was written by
PyTorch 1.13.1. What each case is called, and its options, test/native/golden_image_layers_test.cc says again.
"""
import pathlib

import torch
import torch.nn.functional as F

from safetensors_file import write_safetensors

BATCH = 2


def channels_last(value):
    return value.permute(0, 2, 3, 1) if value.dim() == 4 else value


def same_padding(length, kernel, stride):
    """Before and after, as TensorFlow pads: ceil(length / stride) outputs, the odd pixel after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def padded(x, padding, kernel, stride, value=0.0):
    if padding == 'same':
        padding = same_padding(x.shape[2], kernel[0], stride[0]) + same_padding(x.shape[3], kernel[1], stride[1])
    top, bottom, left, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def conv2d(kernel, filters, stride=(1, 1), padding=(0, 0, 0, 0), groups=1, bias=True):
    def make(x):
        weight = torch.randn(filters, x.shape[1] // groups, *kernel)
        tensors = {'weight': weight / weight[0].numel() ** 0.5}
        if bias:
            tensors['bias'] = torch.randn(filters)

        def forward(x, weight, bias=None):
            return F.conv2d(padded(x, padding, kernel, stride), weight, bias, stride, groups=groups)

        return forward, tensors

    return make


def pool(function):
    return lambda x: (function, {})


def max_pool(kernel, stride, padding=(0, 0, 0, 0)):
    return pool(lambda x: F.max_pool2d(padded(x, padding, kernel, stride, -torch.inf), kernel, stride))


def avg_pool(kernel, stride, padding=(0, 0, 0, 0), count_padding=True):
    def mean(x):
        return F.avg_pool2d(padded(x, padding, kernel, stride), kernel, stride)

    return pool(mean if count_padding else lambda x: mean(x) / mean(torch.ones_like(x)))


def local_response_norm(size, alpha, beta, k):
    return pool(lambda x: F.local_response_norm(x, size, alpha, beta, k))


def batch_norm(training, epsilon=1e-5, momentum=0.1):
    def make(x):
        channels = x.shape[1]
        tensors = {'weight': 1 + 0.3 * torch.randn(channels), 'bias': torch.randn(channels)}
        statistics = {'running_mean': torch.randn(channels), 'running_var': 0.5 + torch.rand(channels)}

        def forward(x, weight, bias):
            mean, variance = (statistics[key] for key in ('running_mean', 'running_var'))
            after = mean.double(), variance.double()
            y = F.batch_norm(x, *after, weight, bias, training, momentum, epsilon)
            forward.after = dict(zip(('after_running_mean', 'after_running_var'), after))
            return y

        forward.statistics = statistics
        return forward, tensors

    return make


def joined(function):
    return lambda *x: (lambda *inputs: function(inputs), {})


# Name: channels × height × width of each input, and what is done to them.
CASES = {
    'conv2d 3×3': ([(3, 6, 5)], conv2d((3, 3), 4)),
    'conv2d 1×1': ([(5, 4, 3)], conv2d((1, 1), 7)),
    'conv2d 1×1, stride 2': ([(4, 5, 6)], conv2d((1, 1), 3, (2, 2))),
    'conv2d 1×1, padding': ([(3, 3, 4)], conv2d((1, 1), 2, (1, 1), 'same', bias=False)),
    'conv2d 3×3, same': ([(4, 5, 4)], conv2d((3, 3), 5, (1, 1), 'same')),
    'conv2d 3×3, same, stride 2, even': ([(2, 6, 8)], conv2d((3, 3), 4, (2, 2), 'same')),
    'conv2d 3×3, same, stride 2, odd': ([(2, 7, 5)], conv2d((3, 3), 4, (2, 2), 'same')),
    'conv2d 4×2, same': ([(2, 5, 6)], conv2d((4, 2), 3, (1, 1), 'same')),
    'conv2d 7×7, stride 2, padding 3': ([(3, 11, 10)], conv2d((7, 7), 4, (2, 2), (3, 3, 3, 3), bias=False)),
    'conv2d 11×11, stride 4, padding 2': ([(3, 20, 19)], conv2d((11, 11), 2, (4, 4), (2, 2, 2, 2))),
    'conv2d 1×7': ([(3, 4, 8)], conv2d((1, 7), 4, (1, 1), (0, 0, 3, 3))),
    'conv2d 7×1': ([(3, 8, 4)], conv2d((7, 1), 4, (1, 1), (3, 3, 0, 0))),
    'conv2d 3×5, stride 1×3': ([(2, 6, 11)], conv2d((3, 5), 3, (1, 3), (1, 1, 2, 2))),
    'conv2d, padding of each side': ([(2, 5, 6)], conv2d((4, 5), 3, (2, 1), (3, 0, 1, 4))),
    'conv2d, stride beyond the kernel': ([(3, 9, 8)], conv2d((2, 2), 3, (3, 4))),
    'conv2d, kernel of the image': ([(4, 5, 6)], conv2d((5, 6), 3)),
    'conv2d, two groups': ([(6, 5, 4)], conv2d((3, 3), 4, (1, 1), 'same', groups=2)),
    'conv2d, three groups, stride 2': ([(6, 5, 6)], conv2d((3, 3), 9, (2, 2), (1, 1, 1, 1), groups=3, bias=False)),
    'conv2d 1×1, two groups': ([(8, 3, 3)], conv2d((1, 1), 6, groups=2)),
    'conv2d, depthwise': ([(7, 6, 5)], conv2d((3, 3), 7, (1, 1), 'same', groups=7)),
    'conv2d, depthwise, stride 2, two each': ([(5, 6, 6)], conv2d((3, 3), 10, (2, 2), 'same', groups=5)),
    'conv2d, more channels': ([(17, 9, 10)], conv2d((3, 3), 18, (1, 1), (1, 1, 1, 1))),
    'maxPool 2×2': ([(3, 6, 4)], max_pool((2, 2), (2, 2))),
    'maxPool 2×2, odd': ([(3, 7, 5)], max_pool((2, 2), (2, 2))),
    'maxPool 3×3, stride 2': ([(5, 7, 9)], max_pool((3, 3), (2, 2))),
    'maxPool 3×3, stride 2, padding 1': ([(4, 6, 7)], max_pool((3, 3), (2, 2), (1, 1, 1, 1))),
    'maxPool 3×3, stride 2, same': ([(4, 8, 7)], max_pool((3, 3), (2, 2), 'same')),
    'maxPool 3×3, stride 1, same': ([(3, 5, 5)], max_pool((3, 3), (1, 1), 'same')),
    'maxPool 2×3, padding of each side': ([(3, 5, 6)], max_pool((2, 3), (1, 2), (0, 1, 2, 1))),
    'maxPool of ties': ([(4, 6, 7)], max_pool((3, 3), (2, 2), (1, 1, 1, 1))),
    'avgPool 2×2': ([(3, 6, 4)], avg_pool((2, 2), (2, 2))),
    'avgPool 3×3, padding counts': ([(4, 5, 6)], avg_pool((3, 3), (1, 1), (1, 1, 1, 1))),
    'avgPool 3×3, padding does not count': ([(4, 5, 6)], avg_pool((3, 3), (1, 1), (1, 1, 1, 1), False)),
    'avgPool 3×3, stride 2, same, padding counts': ([(3, 6, 8)], avg_pool((3, 3), (2, 2), 'same')),
    'avgPool 3×3, stride 2, same, padding does not count': ([(3, 6, 8)], avg_pool((3, 3), (2, 2), 'same', False)),
    'avgPool 2×3, padding of each side': ([(3, 5, 6)], avg_pool((2, 3), (1, 2), (0, 1, 2, 1), False)),
    'globalAvgPool': ([(6, 5, 3)], pool(lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1))),
    'localResponseNorm 5': ([(8, 3, 4)], local_response_norm(5, 1e-1, 0.75, 2.0)),
    'localResponseNorm 4': ([(7, 3, 4)], local_response_norm(4, 0.5, 0.6, 1.0)),
    'localResponseNorm of few channels': ([(2, 3, 4)], local_response_norm(5, 0.3, 0.75, 1.0)),
    'zeroPadding': ([(3, 4, 5)], pool(lambda x: padded(x, (1, 0, 2, 3), None, None))),
    'batchNorm': ([(5, 4, 6)], batch_norm(True)),
    'batchNorm, other options': ([(3, 4, 6)], batch_norm(True, 1e-3, 0.3)),
    'batchNorm, frozen': ([(5, 4, 6)], batch_norm(False, 1e-3)),
    'add': ([(3, 4, 5)] * 2, joined(lambda x: x[0] + x[1])),
    'add, three inputs': ([(2, 4, 5)] * 3, joined(lambda x: x[0] + x[1] + x[2])),
    'concat': ([(3, 4, 5), (2, 4, 5), (5, 4, 5)], joined(lambda x: torch.cat(x, 1))),
}


def run(name, shapes, make, tensors):
    def put(key, value):
        tensors[f'{name}/{key}'] = channels_last(value.detach()).clone()

    inputs = [torch.randn(BATCH, *shape) for shape in shapes]
    if 'ties' in name:
        inputs = [x.mul(1.5).round() for x in inputs]
    forward, weights = make(*inputs)
    for index, x in enumerate(inputs):
        put(f'x{index}', x)
    for key, value in {**weights, **getattr(forward, 'statistics', {})}.items():
        put(key, value)
    inputs = [x.double().requires_grad_() for x in inputs]
    weights = {key: value.double().requires_grad_() for key, value in weights.items()}
    y = forward(*inputs, **weights)
    dy = torch.randn(y.shape)
    y.backward(dy.double())
    put('y', y)
    put('dy', dy)
    for index, x in enumerate(inputs):
        put(f'dx{index}', x.grad)
    for key, value in weights.items():
        put('d' + key, value.grad)
    for key, value in getattr(forward, 'after', {}).items():
        put(key, value)


def main():
    torch.manual_seed(21)
    tensors = {}
    for name, (shapes, make) in CASES.items():
        run(name, shapes, make, tensors)
    path = pathlib.Path(__file__).parent / 'image_layers.safetensors'
    write_safetensors(path, tensors, {'pytorch': torch.__version__})


main()
