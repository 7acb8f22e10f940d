"""Writes training_step.safetensors: ten training steps of a small network, computed by PyTorch in float64 from float32
starting values. Run: /usr/bin/python3 test/golden/training_step.py

The network is dense-batchNorm-relu twice, then dense; per case there are its starting tensors, the inputs and labels of ten
batches, the first step's logits and gradients, all ten losses, and the tensors after the last step. The committed file was
written by PyTorch 1.13.1.
"""
import math
import os

import torch

from safetensors_file import write_safetensors

INPUTS, HIDDEN, CLASSES, BATCH, STEPS = 9, (8, 7), 5, 12, 10

# Adam divides a gradient by its own size: a bias in front of batch normalisation, whose gradient is zero but for rounding,
# would move by chance. Those cases have none.
CASES = {
    'sgd': dict(loss='batch-cross-entropy', hidden_bias=True, optimizer='sgd',
                options=dict(lr=0.1, momentum=0.9, weight_decay=1e-3)),
    'sgd-nesterov': dict(loss='cross-entropy', hidden_bias=True, optimizer='sgd',
                         options=dict(lr=0.05, momentum=0.8, nesterov=True)),
    'sgd-clipped': dict(loss='cross-entropy', hidden_bias=True, optimizer='sgd', clip_norm=0.3, options=dict(lr=0.5)),
    'adam': dict(loss='cross-entropy', hidden_bias=False, optimizer='adam',
                 options=dict(lr=0.01, betas=(0.9, 0.99), weight_decay=1e-2)),
    'adamw': dict(loss='batch-cross-entropy', hidden_bias=False, optimizer='adamw',
                  options=dict(lr=0.02, weight_decay=0.05)),
}
OPTIMIZERS = {'sgd': torch.optim.SGD, 'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW}


def loss_of(name, logits, labels):
    if name == 'cross-entropy':
        return torch.nn.functional.cross_entropy(logits, labels)
    true = logits.gather(1, labels[:, None])
    return torch.logsumexp(logits.flatten(), 0) - true.mean() - math.log(len(labels))


def run(name, case, tensors):
    def put(key, value):
        tensors[f'{name}/{key}'] = value.detach().clone()

    bias = case['hidden_bias']
    net = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, HIDDEN[0], bias=bias), torch.nn.BatchNorm1d(HIDDEN[0]), torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN[0], HIDDEN[1], bias=bias), torch.nn.BatchNorm1d(HIDDEN[1]), torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN[1], CLASSES))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # no bias of zero, no scale of one
    net = net.double()
    state = {key: value for key, value in net.state_dict().items() if 'num_batches' not in key}
    for key, value in state.items():
        put('start/' + key, value)
    inputs = torch.randn(STEPS, BATCH, INPUTS)
    labels = torch.randint(0, CLASSES, (STEPS, BATCH))
    put('inputs', inputs)
    put('labels', labels.to(torch.int32))
    optimizer = OPTIMIZERS[case['optimizer']](net.parameters(), **case['options'])
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = net(inputs[step].double())
        loss = loss_of(case['loss'], logits, labels[step])
        loss.backward()
        if step == 0:
            put('logits', logits)
            for key, parameter in net.named_parameters():
                put('gradient/' + key, parameter.grad)
        if 'clip_norm' in case:
            torch.nn.utils.clip_grad_norm_(net.parameters(), case['clip_norm'])
        optimizer.step()
        losses.append(loss.item())
    put('losses', torch.tensor(losses, dtype=torch.float64))
    for key, value in state.items():
        put('end/' + key, value)


def main():
    torch.manual_seed(20)
    tensors = {}
    for name, case in CASES.items():
        run(name, case, tensors)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'training_step.safetensors')
    write_safetensors(path, tensors, {'pytorch': torch.__version__}, double=('losses',))


main()
