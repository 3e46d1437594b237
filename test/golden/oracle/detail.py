"""Writes detail.safetensors: detail at full size (model/detail) in PyTorch.

    /usr/bin/python3 test/golden/oracle/detail.py OUT_DIR [TAG]

Photos are test_image plus a fifth of fill, cut to 0..1. All resampling is bicubic and antialiased, a = -0.5. Values are of a float64 run, `f32_err` says
how far PyTorch's float32 run is off.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

import oracle as O

torch.set_num_threads(1)

PATCH, STRIDE = 5, 2
STRUCTURE, RESULT, APPEARANCE = (61, 83), (20, 27), (71, 58)
RUNS = {'plain': dict(gain=1.0, texture=0.7, band=1, radius=4, eps=1e-3, keys=300), 'banded': dict(gain=0.4, texture=0.7, band=1.6, radius=3, eps=1e-2, keys=4096)}


def resample(x, hw, clamp=True):
    if tuple(x.shape[-2:]) == tuple(hw):
        return x
    y = F.interpolate(x, size=tuple(hw), mode='bicubic', antialias=True)
    return y.clamp(0, 1) if clamp else y


def box(x, r):
    return F.avg_pool2d(F.pad(x, (r,) * 4, mode='reflect'), 2 * r + 1, 1)


def half_up(v):
    return max(1, math.floor(v + 0.5))


def guided_gain(guide, x, r, eps):
    """[1, 9, h, w], channel 3 i + c: (cov(guide) + eps I)^-1 cov(guide, x) of every window, averaged."""
    cov = lambda a, b: box(a * b, r) - box(a, r) * box(b, r)
    part = lambda t, i: t[:, i:i + 1]
    sigma = torch.cat([cov(part(guide, i), part(guide, j)) for i in range(3) for j in range(3)], 1)
    cross = torch.cat([cov(part(guide, i), part(x, c)) for i in range(3) for c in range(3)], 1)
    matrices = lambda t: t[0].permute(1, 2, 0).reshape(*t.shape[-2:], 3, 3)
    a = torch.linalg.solve(matrices(sigma) + eps * torch.eye(3, dtype=x.dtype), matrices(cross))
    return box(a.reshape(*x.shape[-2:], 9).permute(2, 0, 1)[None], r)


def key_corners(hw, most):
    """Rows and columns of the corners of evenly spread patches."""
    step = max(1, math.floor(math.sqrt(hw[0] * hw[1] / most)))
    found = [(y, x) for y in range(0, hw[0] - PATCH + 1, step) for x in range(0, hw[1] - PATCH + 1, step)]
    count = min(len(found), most)
    return [found[i * len(found) // count] for i in range(count)]


def patches_at(x, corners):
    return torch.stack([x[0, :, i:i + PATCH, j:j + PATCH] for i, j in corners])


def texture_octave(picture, appearance, n, most):
    values = resample(appearance, [half_up(s * min(n) / min(appearance.shape[-2:])) for s in appearance.shape[-2:]])
    factor = min(picture.shape[-2:]) / min(n)
    keys = resample(resample(values, [half_up(s * factor) for s in values.shape[-2:]]), values.shape[-2:])
    corners = key_corners(values.shape[-2:], most)
    k, v = patches_at(keys, corners), patches_at(values, corners)
    edge = PATCH - 1
    picture = resample(picture, n)
    query = F.pad(picture, (edge,) * 4, mode='reflect')
    places = [[(i, j) for j in range(0, n[1] + edge, STRIDE)] for i in range(0, n[0] + edge, STRIDE)]
    best = [[int(((k - query[0, :, i:i + PATCH, j:j + PATCH]) ** 2).sum((1, 2, 3)).argmin()) for i, j in row] for row in places]
    at = lambda r, c: best[r][c] if 0 <= r < len(best) and 0 <= c < len(best[0]) else None
    total, count = torch.zeros_like(query), torch.zeros_like(query[:, :1])
    for r, row in enumerate(places):
        for c, (i, j) in enumerate(row):
            own = best[r][c]
            if own not in (at(r - 1, c), at(r + 1, c), at(r, c - 1), at(r, c + 1)):  # else its detail would repeat every few pixels
                total[0, :, i:i + PATCH, j:j + PATCH] += v[own] - k[own]
            count[0, :, i:i + PATCH, j:j + PATCH] += 1
    return picture + (total / count)[:, :, edge:-edge, edge:-edge]


def with_texture(picture, appearance, hw, most):
    while min(picture.shape[-2:]) < 0.9 * min(hw):
        picture = texture_octave(picture, appearance, [min(s, 2 * now) for s, now in zip(hw, picture.shape[-2:])], most)
    return resample(picture, hw)


def detailed(structure, result, appearance, gain, texture, band, radius, eps, keys):
    hw, low = structure.shape[-2:], resample(result, [half_up(s / band) for s in result.shape[-2:]])
    small = resample(structure, low.shape[-2:])
    a = guided_gain(small, low, radius, eps)
    up = lambda t: resample(t, hw, clamp=False)
    weights = F.interpolate(a, size=hw, mode='bilinear').reshape(1, 3, 3, *hw)
    painted = torch.einsum('bihw,bichw->bchw', structure - up(small), weights)
    drawn = with_texture(low, appearance, hw, keys)
    whole = up(result) + gain * painted + texture * drawn
    return {'gain': a, 'texture': drawn, 'picture': back_projected(whole, low).clamp(0, 1)}


def resampling(n, m, dtype):
    """The m x n matrix that resamples an axis."""
    eye = torch.eye(n, dtype=dtype)
    return eye if n == m else F.interpolate(eye[None, None], size=(m, n), mode='bicubic', antialias=True)[0, 0]


def back_projected(x, low):
    """x plus the enlargement of a small picture, so that its reduction is `low`."""
    (H, W), (h, w) = x.shape[-2:], low.shape[-2:]
    down_y, down_x, up_y, up_x = (resampling(a, b, x.dtype) for a, b in ((H, h), (W, w), (h, H), (w, W)))
    missing = low - down_y @ x @ down_x.T
    small = torch.linalg.solve(down_y @ up_y, missing) @ torch.linalg.inv(down_x @ up_x).T
    return x + up_y @ small @ up_x.T


def photo(name, hw):
    return (O.test_image(name, *hw) + 0.2 * O.fill(name + '.detail', (1, 3, *hw))).clamp(0, 1)


def run(tag, dtype):
    s, a = (photo(f'{tag}.{name}', hw).to(dtype) for name, hw in (('structure', STRUCTURE), ('appearance', APPEARANCE)))
    r = O.test_image(f'{tag}.result', *RESULT).to(dtype)
    return {f'{name}.{k}': v for name, options in RUNS.items() for k, v in detailed(s, r, a, **options).items()}


def main():
    out, tag = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else 'golden'
    f64, f32 = (run(tag, dtype) for dtype in (torch.float64, torch.float32))
    err = {k: float((f32[k].double() - f64[k]).abs().max() / f64[k].abs().max()) for k in f64}
    meta = dict(tag=tag, runs=RUNS, structure=STRUCTURE, result=RESULT, appearance=APPEARANCE, f32_err=err,
                photos='test_image(tag.NAME) + 0.2 fill(tag.NAME.detail), cut to 0..1; the result is test_image(tag.result)')
    O.save_safetensors(out / 'detail.safetensors', f64, {k: json.dumps(v) for k, v in meta.items()})
    print({k: f'{v:.1e}' for k, v in err.items()})


if __name__ == '__main__':
    main()
