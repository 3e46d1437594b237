"""Writes steady.safetensors: the losses of patches, of texture and of colours with their gradients, in PyTorch.

    /usr/bin/python3 test/golden/oracle/steady.py OUT_DIR [TAG]

The relaxed earth mover's distance of tokens by cosine, for two pairs of sets, one in which each direction is the greater; the
same for patches, with the colours of their quarters; the sliced Wasserstein distance of high-pass patches along given directions,
and that of colours along 13 directions. Values are of a float64 run, `f32_err` says how far PyTorch's float32 run is off.
"""
import itertools
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

import oracle as O
from dino import rel

torch.set_num_threads(1)

SIDE = 37


PATCH, PATCH_WEIGHT = 8, 3.0
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


def distances(x, y):
    return 1 - F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T


def relaxed_emd(d):
    return d.min(1).values.mean(), d.min(0).values.mean()


def patch_distances(x, y, p, q):
    """Tokens x, y and inputs p, q of a ViT, normalised by MEAN and STD."""
    def quarters(t):
        t = t * torch.tensor(STD, dtype=t.dtype)[:, None, None] + torch.tensor(MEAN, dtype=t.dtype)[:, None, None]
        rows, columns = t.shape[2] // PATCH, t.shape[3] // PATCH
        cells = F.avg_pool2d(t[..., :rows * PATCH, :columns * PATCH], PATCH // 2)
        return F.unfold(cells, 2, stride=2)[0].T
    a, b = quarters(p), quarters(q)
    return distances(x, y) + PATCH_WEIGHT * (a[:, None] - b[None]).square().mean(-1)


def texture(x, y, directions):
    def projections(t):
        t = F.pad(t[..., :SIDE, :SIDE], (3, 3, 3, 3), mode='reflect')
        return F.conv2d(t, directions, stride=2)[0].flatten(1).sort(-1).values
    return (projections(x) - projections(y)).abs().mean()


def colours(x, y):
    # Of the 27 points -1, 0, 1 in three dimensions, one of each two opposite ones.
    points = [p for p in itertools.product((-1, 0, 1), repeat=3) if next((v for v in p if v), 0) == 1]
    directions = F.normalize(torch.tensor(points, dtype=x.dtype), dim=-1)

    def projections(t):
        samples = F.interpolate(t, size=(64, 64), mode='bilinear', align_corners=False)
        return (directions @ samples[0].flatten(1)).sort(-1).values
    return (projections(x) - projections(y)).abs().mean()


def values(tag, dtype):
    fill = lambda name, shape, scale=1.0, offset=0.0: O.fill(f'{tag}.{name}', shape, scale, offset).to(dtype)
    out = {}
    # Tokens that are all alike are near to some of the others, but most of the others are far from all of them.
    for name, x in (('spread', fill('spread', (19, 48))), ('alike', fill('alike', (19, 48), 0.2, 0.5))):
        x.requires_grad_()
        y = torch.cat([fill('near', (5, 48), 0.2, 0.5), fill('far', (26, 48))] if name == 'alike' else [fill('other', (7, 48))])
        there, back = relaxed_emd(distances(x, y))
        assert (there > back) == (name == 'spread'), (name, there, back)
        loss = torch.maximum(there, back)
        loss.backward()
        out |= {f'emd.{name}': loss.detach()[None], f'grad.emd.{name}': x.grad}
    x, y = fill('tokens', (18, 48)).requires_grad_(), fill('tokens.appearance', (8, 48))
    # Neither picture is a whole number of patches.
    p, q = fill('input', (1, 3, 30, 50), 1.5).requires_grad_(), fill('input.appearance', (1, 3, 33, 23), 1.5)
    loss = torch.maximum(*relaxed_emd(patch_distances(x, y, p, q)))
    loss.backward()
    for name, grad in (('tokens', x.grad), ('colours', p.grad)):
        out |= {f'patches.{name}': loss.detach()[None], f'grad.patches.{name}': grad}
    x = (O.test_image(f'{tag}.output', 40, 40).to(dtype) + fill('grain', (1, 3, 40, 40), 0.02)).requires_grad_()
    y = O.test_image(f'{tag}.appearance', 38, 38).to(dtype) + fill('pattern', (1, 3, 38, 38), 0.1)
    loss = texture(x, y, fill('directions', (32, 3, 7, 7), 0.1))
    loss.backward()
    out |= {'texture': loss.detach()[None], 'grad.texture': x.grad}
    x = (O.test_image(f'{tag}.output', 44, 70).to(dtype) + fill('grain', (1, 3, 44, 70), 0.02)).requires_grad_()
    loss = colours(x, y)
    loss.backward()
    return out | {'colours': loss.detach()[None], 'grad.colours': x.grad}


def main(out, tag='golden'):
    exact, single = values(f'{tag}.steady', torch.float64), values(f'{tag}.steady', torch.float32)
    errors = {name: rel(single[name], exact[name]) for name in exact}
    O.save_safetensors(Path(out) / 'steady.safetensors', exact, {'tag': f'"{tag}.steady"', 'side': SIDE, 'patch': PATCH, 'patch_weight': PATCH_WEIGHT, 'std': STD, 'f32_err': errors})
    print(errors)


main(*sys.argv[1:])
