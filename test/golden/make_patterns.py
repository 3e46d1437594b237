"""Writes patterns.safetensors: on which side of its kink every LeakyReLU of the golden generator runs is in exact arithmetic.

    /usr/bin/python3 test/golden/make_patterns.py [OUT_DIR [TAG]]

OUT_DIR is this folder and TAG is 'golden' by default, as for oracle/make_golden.py.  One float32 value in a few hundred thousand
that falls on the other side of zero changes the gradient by a per cent, in any float32 engine and differently in each, while all
else stays correct to the last digits.  With these patterns a test distinguishes the two.  Tensors: `which_HxW.I` is the I-th
LeakyReLU in order of evaluation, one bit per element (1: above zero), lowest bit first, 16 bits to a float32 number.
"""
import sys
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
sys.path.insert(0, str(here / 'oracle'))
import oracle as O  # noqa: E402


def packed(bits):
    bits = np.pad(bits.astype(np.int64), (0, -len(bits) % 16)).reshape(-1, 16)
    return torch.from_numpy((bits << np.arange(16)).sum(1).astype(np.float32))


def patterns(tag, which, h, w):
    seen = []

    def record(x):
        seen.append(packed((x > 0).numpy().ravel()))
        return O.lrelu(x)

    make_params, net = (O.skip_params, O.skip_net) if which == 'skip' else (O.unet_params, O.unet)
    with torch.no_grad():
        net(make_params(f'{tag}.{which}', dtype=torch.float64), O.test_image(f'{tag}.image', h, w).double(), act=record)
    return {f'{which}_{h}x{w}.{i}': bits for i, bits in enumerate(seen)}


out = Path(sys.argv[1]) if len(sys.argv) > 1 else here
tag = sys.argv[2] if len(sys.argv) > 2 else 'golden'
tensors = {}
for which in ('skip', 'unet'):
    for h, w in ((64, 64), (49, 63), (71, 38)):
        tensors.update(patterns(tag, which, h, w))
O.save_safetensors(out / 'patterns.safetensors', tensors, {'tag': f'"{tag}"'})
