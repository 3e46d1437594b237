"""Writes golden files of the ViTs after DINO: DINOv2, DINOv3 and DeiT's distilled ones, small, with formula weights; and of
test-time registers, where an added zero token takes the largest activation of some neurons, which is zero in all others.

    /usr/bin/python3 vits.py OUT_DIR [TAG]

An own implementation in the order of the published ones: CLS token, then registers (or the distillation token), then patches;
layer scale and masked biases as operations of their own.  Every file has the names, shapes and formulas of its parameters in
`params`, under the names of the published checkpoints: [name, shape, scale, offset] for `fill`, or [name, shape, values].
Outputs leave the extra tokens out, except that attention and all later layers have seen them.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

import oracle as O
from make_golden import rel, write


class Kind:
    def __init__(self, label, patch, grid, dim=48, depth=3, heads=3, extra=0, gated=0, eps=1e-6, moved=()):
        self.label, self.patch, self.grid, self.dim, self.depth, self.heads = label, patch, grid, dim, depth, heads
        self.extra, self.gated, self.eps, self.moved = extra, gated, eps, moved


KINDS = {
    'dinov2': Kind('dinov2', 14, 3), 'dinov2_reg4': Kind('dinov2', 14, 3, extra=4),
    'dinov2_giant': Kind('dinov2', 14, 3, extra=4, gated=40),
    'dinov3': Kind('dinov3', 8, 4, extra=4, eps=1e-5), 'dinov3_plus': Kind('dinov3', 8, 4, extra=4, gated=40, eps=1e-5),
    'deit_distilled': Kind('deit', 8, 4, extra=1),
    'test_time_registers': Kind('dinov2', 8, 4, depth=4, moved=((0, 5), (1, 17), (1, 100))),
}


def params_of(kind):
    """[name, shape, scale, offset] or [name, shape, values] of every parameter, under the published names."""
    d, table = kind.dim, []

    def put(name, shape, scale, offset=0.0):
        table.append([name, list(shape), scale, offset])

    def put_linear(name, o, i, gain=2.0):
        put(name + '.weight', (o, i), gain / math.sqrt(i))
        put(name + '.bias', (o,), 0.1)

    put('cls_token', (1, 1, d), 0.5)
    if kind.label == 'dinov3':
        put('storage_tokens', (1, kind.extra, d), 0.5)
        n = d // kind.heads // 4
        table.append(['rope_embed.periods', [n], torch.tensor([100 ** (i / n) for i in range(n)]).double().tolist()])
    else:
        prefix = 2 if kind.label == 'deit' else 1
        put('pos_embed', (1, prefix + kind.grid ** 2, d), 0.5)
        if kind.label == 'deit':
            put('dist_token', (1, 1, d), 0.5)
        elif kind.extra:
            put('register_tokens', (1, kind.extra, d), 0.5)
    put('patch_embed.proj.weight', (d, 3, kind.patch, kind.patch), 2.0 / math.sqrt(3 * kind.patch ** 2))
    put('patch_embed.proj.bias', (d,), 0.1)
    for i in range(kind.depth):
        b = f'blocks.{i}.'
        for norm in ('norm1', 'norm2'):
            put(b + norm + '.weight', (d,), 0.2, 1.0)
            put(b + norm + '.bias', (d,), 0.2)
        put_linear(b + 'attn.qkv', 3 * d, d, 2.5)
        if kind.label == 'dinov3':
            table.append([b + 'attn.qkv.bias_mask', [3 * d], [1] * d + [0] * d + [1] * d])
        put_linear(b + 'attn.proj', d, d)
        if kind.label != 'deit':
            put(b + 'ls1.gamma', (d,), 0.4, 0.5)
            put(b + 'ls2.gamma', (d,), 0.4, 0.5)
        if not kind.gated:
            put_linear(b + 'mlp.fc1', 4 * d, d)
            put_linear(b + 'mlp.fc2', d, 4 * d)
        elif kind.label == 'dinov3':
            put_linear(b + 'mlp.w1', kind.gated, d)
            put_linear(b + 'mlp.w2', kind.gated, d)
            put_linear(b + 'mlp.w3', d, kind.gated)
        else:
            put_linear(b + 'mlp.w12', 2 * kind.gated, d)
            put_linear(b + 'mlp.w3', d, kind.gated)
    return table


def tensors_of(table, tag, dtype):
    made = {}
    for name, shape, *rest in table:
        values = torch.tensor(rest[0]).reshape(shape).float() if isinstance(rest[0], list) else \
            O.fill(f'{tag}.{name}', shape, *rest)
        made[name] = values.to(dtype)
    return made


def patch_positions(table, rows, cols, antialias):
    """Of patches only.  The models with registers are antialiased to the size; the others get the scale with 0.1 added."""
    g = int(math.sqrt(table.shape[1]))
    if rows == cols == g:
        return table
    square = table.reshape(1, g, g, -1).permute(0, 3, 1, 2)
    if antialias:
        made = F.interpolate(square, size=(rows, cols), mode='bicubic', antialias=True)
    else:
        made = F.interpolate(square, scale_factor=((rows + 0.1) / g, (cols + 0.1) / g), mode='bicubic')
    assert made.shape[-2:] == (rows, cols)
    return made.permute(0, 2, 3, 1).reshape(1, rows * cols, -1)


def rotation(periods, rows, cols):
    """Cosine and sine [rows * cols, head size]: coordinates of centres in -1..1, each axis by its own length."""
    y = (torch.arange(rows, dtype=periods.dtype) + 0.5) / rows * 2 - 1
    x = (torch.arange(cols, dtype=periods.dtype) + 0.5) / cols * 2 - 1
    at = torch.stack([y[:, None].expand(rows, cols), x[None].expand(rows, cols)], -1).reshape(-1, 2, 1)
    angle = (2 * math.pi * at / periods).flatten(1)
    angle = torch.cat([angle, angle], 1)
    return angle.cos(), angle.sin()


def turned(x, cos, sin):
    """x [B, heads, tokens, head size]; the first tokens, which have no place, stay as they are."""
    first = x.shape[2] - cos.shape[0]
    fixed, patches = x[:, :, :first], x[:, :, first:]
    a, b = patches.chunk(2, -1)
    return torch.cat([fixed, patches * cos + torch.cat([-b, a], -1) * sin], 2)


def mlp(p, i, kind, y):
    b = f'blocks.{i}.'

    def linear(name, t):
        return F.linear(t, p[b + name + '.weight'], p[b + name + '.bias'])

    if not kind.gated:
        hidden = F.gelu(linear('mlp.fc1', y))
        for layer, unit in kind.moved:
            if layer == i:
                kept = hidden.clone()
                kept[:, :, unit] = 0
                kept[:, -1, unit] = hidden[:, :, unit].max(1).values
                hidden = kept
        return linear('mlp.fc2', hidden)
    gate, value = (linear('mlp.w1', y), linear('mlp.w2', y)) if kind.label == 'dinov3' else linear('mlp.w12', y).chunk(2, -1)
    return linear('mlp.w3', F.silu(gate) * value)


def vit(p, kind, x):
    """x: normalised [1, 3, H, W].  Per layer: tokens, q, k, v (before any rotation) and attention of the CLS token, of CLS and
    patches."""
    d, heads, extra = kind.dim, kind.heads, kind.extra
    rows, cols = x.shape[2] // kind.patch, x.shape[3] // kind.patch
    patches = F.conv2d(x, p['patch_embed.proj.weight'], p['patch_embed.proj.bias'], stride=kind.patch).flatten(2).transpose(1, 2)
    cls, rope = p['cls_token'], None
    if kind.label == 'dinov3':
        t = torch.cat([cls, p['storage_tokens'], patches], 1)
        rope = rotation(p['rope_embed.periods'], rows, cols)
    elif kind.label == 'deit':
        pos = torch.cat([p['pos_embed'][:, :2], patch_positions(p['pos_embed'][:, 2:], rows, cols, False)], 1)
        t = torch.cat([cls, p['dist_token'], patches], 1) + pos
    else:
        pos = torch.cat([p['pos_embed'][:, :1], patch_positions(p['pos_embed'][:, 1:], rows, cols, extra > 0)], 1)
        t = torch.cat([cls, patches], 1) + pos
        if extra:
            t = torch.cat([t[:, :1], p['register_tokens'], t[:, 1:]], 1)
    seen = [0] + list(range(1 + extra, t.shape[1]))
    if kind.moved:
        t = torch.cat([t, torch.zeros(1, 1, d, dtype=t.dtype)], 1)
    layers = []
    for i in range(kind.depth):
        b = f'blocks.{i}.'
        y = F.layer_norm(t, (d,), p[b + 'norm1.weight'], p[b + 'norm1.bias'], kind.eps)
        bias = p[b + 'attn.qkv.bias'] * p.get(b + 'attn.qkv.bias_mask', 1)
        q, k, v = F.linear(y, p[b + 'attn.qkv.weight'], bias).chunk(3, -1)
        qh, kh, vh = (s.reshape(1, -1, heads, d // heads).transpose(1, 2) for s in (q, k, v))
        if rope:
            qh, kh = turned(qh, *rope), turned(kh, *rope)
        a = torch.softmax(qh @ kh.transpose(-2, -1) * (d // heads) ** -0.5, -1)
        y = F.linear((a @ vh).transpose(1, 2).reshape(1, -1, d), p[b + 'attn.proj.weight'], p[b + 'attn.proj.bias'])
        t = t + y * p.get(b + 'ls1.gamma', 1)
        y = F.layer_norm(t, (d,), p[b + 'norm2.weight'], p[b + 'norm2.bias'], kind.eps)
        t = t + mlp(p, i, kind, y) * p.get(b + 'ls2.gamma', 1)
        layers.append({'tokens': t[:, seen], 'queries': q[:, seen], 'keys': k[:, seen], 'values': v[:, seen],
                       'attention_cls': a[:, :, 0, seen]})
    return layers


def case(out, tag, name, size):
    kind, (h, w) = KINDS[name], size
    table = params_of(kind)

    def run(dtype):
        p = tensors_of(table, tag, dtype)
        x = O.test_image(f'{tag}.image', h, w).to(dtype).requires_grad_()
        layers = vit(p, kind, O.normalize(x))
        last = layers[-1]
        sim = O.self_similarity(last['keys'][0])
        made = {'mid.tokens': layers[kind.depth // 2]['tokens'], 'self_similarity': sim,
                **{'last.' + k: last[k] for k in ('queries', 'keys', 'values', 'tokens', 'attention_cls')}}
        for key, obj in (('cls', last['tokens'][:, 0]), ('keys', last['keys']), ('self_similarity', sim)):
            seed = O.fill(f'{tag}.seed.{key}', obj.shape).to(dtype)
            made['grad_image.' + key] = torch.autograd.grad((obj * seed).sum(), x, retain_graph=True)[0]
        return {k: v.detach().clone() for k, v in made.items()}

    f64, f32 = run(torch.float64), run(torch.float32)
    write(out, f'vit_{name}_{h}x{w}', f64, tag=tag, kind=name, params=table, heads=kind.heads, moved=kind.moved,
          image=f'{tag}.image', size=size,
          grads='grad_image.X = d sum(X * fill(tag.seed.X)) / d image, before normalisation',
          f32_err={k: rel(f32[k], f64[k]) for k in f64})


def full_size_case(out, tag):
    """DINOv2's ViT-S/14 with registers at 224 x 224, its positions of 518 x 518 reduced: digests, as it is too large whole."""
    kind = Kind('dinov2', 14, 37, dim=384, depth=12, heads=6, extra=4)
    table = params_of(kind)
    with torch.no_grad():
        x = O.normalize(O.test_image(f'{tag}.image', 224, 224).double())
        last = vit(tensors_of(table, tag, torch.float64), kind, x)[-1]
    sim = O.self_similarity(last['keys'][0])
    write(out, 'vit_dinov2_vits14_reg4_224x224', {
        'last.cls': last['tokens'][:, 0], 'last.keys.mean_over_tokens': last['keys'].mean(1),
        'last.keys.token_200': last['keys'][:, 200], 'self_similarity.row_0': sim[0], 'self_similarity.row_200': sim[200],
    }, tag=tag, params=table, heads=kind.heads, image=f'{tag}.image', size=(224, 224))


def main():
    out, tag = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else 'golden'
    out.mkdir(parents=True, exist_ok=True)
    # The published size, and others that are not square, not whole patches, smaller along one side and larger along the other.
    for name, sizes in {
        'dinov2': ((42, 42), (30, 75)), 'dinov2_reg4': ((42, 42), (30, 75), (57, 28)), 'dinov2_giant': ((28, 56),),
        'dinov3': ((32, 32), (21, 50)), 'dinov3_plus': ((24, 40),), 'deit_distilled': ((32, 32), (21, 50)),
        'test_time_registers': ((21, 50),),
    }.items():
        for size in sizes:
            case(out, tag, name, size)
    full_size_case(out, tag)


if __name__ == '__main__':
    main()
