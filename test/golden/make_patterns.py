"""Writes patterns.safetensors: on which side of its kink every LeakyReLU of the golden generator runs is in exact arithmetic.

    /usr/bin/python3 test/golden/make_patterns.py [TAG]

One float32 value of a few hundred thousand that lands on the other side of zero moves the gradient by a per cent, in any
float32 engine and differently in each, while everything else stays right to the last digits.  With these patterns a test can
tell the one from the other.  Tensors: `which_HxW.I`, the I-th LeakyReLU in order of evaluation, one bit per element (1: above
zero), lowest bit first, 16 bits to a float32 number.
"""
import sys
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
sys.path.insert(0, str(here / 'oracle'))
import oracle as O


def packed(bits):
    bits = np.pad(bits.astype(np.int64), (0, -len(bits) % 16)).reshape(-1, 16)
    return torch.from_numpy((bits << np.arange(16)).sum(1).astype(np.float32))


def patterns(tag, which, h, w):
    seen, plain = [], O.lrelu
    O.lrelu = lambda x: (seen.append(packed((x > 0).numpy().ravel())), plain(x))[1]
    params = (O.skip_params if which == 'skip' else O.unet_params)(f'{tag}.{which}', dtype=torch.float64)
    with torch.no_grad():
        (O.skip_net if which == 'skip' else O.unet)(params, O.test_image(f'{tag}.image', h, w).double())
    O.lrelu = plain
    return {f'{which}_{h}x{w}.{i}': bits for i, bits in enumerate(seen)}


tag = sys.argv[1] if len(sys.argv) > 1 else 'golden'
tensors = {}
for which in ('skip', 'unet'):
    for h, w in ((64, 64), (49, 63), (71, 38)):
        tensors.update(patterns(tag, which, h, w))
O.save_safetensors(here / 'patterns.safetensors', tensors, {'tag': f'"{tag}"'})
