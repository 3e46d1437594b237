"""Writes dino.safetensors: self-distillation by the official formulas, in PyTorch.

    /usr/bin/python3 test/golden/oracle/dino.py OUT_DIR [TAG]

Formulas follow facebookresearch/dino (main_dino.py, utils.py, vision_transformer.py): the loss over pairs of crops, centre, head with weight-normalised
last layer, schedules, AdamW with two groups; the gradient is clipped by its length over all parameters (`clip_grad_norm_`), not per parameter.
Values are of float64 runs, `f32_err` says how far PyTorch's own float32 run is from them.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import oracle as O

torch.set_num_threads(1)

CFG = O.VitConfig(32, 2, 2, 8, image=32)
HEAD = dict(hidden=48, bottleneck=24, prototypes=40)
RUN = dict(batch=3, locals=2, local_size=16, epochs=5, steps_per_epoch=4, lr=0.08, min_lr=1e-6, warmup_epochs=1, weight_decay=0.04, weight_decay_end=0.4,
           clip=3.0, momentum=0.9, teacher_temp_start=0.04, teacher_temp=0.07, teacher_warmup_epochs=3, student_temp=0.1, center_momentum=0.9, freeze_last_layer=1)


def rel(a, b):
    return float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp(min=1e-12))


def head_params(tag, dtype):
    d, H, N, K = CFG.dim, HEAD['hidden'], HEAD['bottleneck'], HEAD['prototypes']
    p = {}
    for name, shape in (('mlp.0.weight', (H, d)), ('mlp.0.bias', (H,)), ('mlp.2.weight', (H, H)), ('mlp.2.bias', (H,)),
                        ('mlp.4.weight', (N, H)), ('mlp.4.bias', (N,)), ('last_layer.weight_v', (K, N))):
        scale = 0.1 if len(shape) == 1 else math.sqrt(3 / shape[1])
        p['head.' + name] = O.fill(f'{tag}.head.{name}', shape, scale).to(dtype)
    return p


def project(p, cls):
    x = F.layer_norm(cls, (CFG.dim,), p['norm.weight'], p['norm.bias'], CFG.eps)
    for i in (0, 2, 4):
        x = F.linear(x, p[f'head.mlp.{i}.weight'], p[f'head.mlp.{i}.bias'])
        if i < 4:
            x = F.gelu(x)
    x = F.normalize(x, dim=-1, p=2)
    v = p['head.last_layer.weight_v']
    return F.linear(x, torch._weight_norm(v, torch.ones(v.shape[0], 1, dtype=v.dtype), 0))


def logits(p, crops):
    return project(p, torch.cat([O.vit(p, CFG, O.normalize(x))[-1]['tokens'][:, 0] for x in crops]))


def dino_loss(student, teacher, centre, batch, teacher_temp, student_temp):
    out = (student / student_temp).split(batch)
    q = F.softmax((teacher - centre) / teacher_temp, dim=-1).detach().split(batch)
    total, terms = 0, 0
    for iq, t in enumerate(q):
        for v, s in enumerate(out):
            if v == iq:
                continue
            total = total + torch.sum(-t * F.log_softmax(s, dim=-1), dim=-1).mean()
            terms += 1
    return total / terms


def cosine_schedule(base, final, total, warmup=0, start=0.0):
    steps = np.arange(total - warmup)
    rest = final + 0.5 * (base - final) * (1 + np.cos(np.pi * steps / len(steps)))
    return np.concatenate((np.linspace(start, base, warmup) if warmup else np.array([]), rest))


def train(tag, dtype):
    """20 steps on one batch of crops."""
    r, per = RUN, RUN['steps_per_epoch']
    total = r['epochs'] * per
    params = {**O.vit_params(CFG, tag, dtype), **head_params(tag, dtype)}
    student = {k: v.clone().requires_grad_() for k, v in params.items()}
    teacher = {k: v.clone() for k, v in params.items()}
    centre = torch.zeros(1, HEAD['prototypes'], dtype=dtype)
    crop = lambda kind, i, size: torch.cat([O.test_image(f'{tag}.{kind}.{i}.{b}', size, size) for b in range(r['batch'])]).to(dtype)
    globals_ = torch.cat([crop('global', i, CFG.image) for i in range(2)])
    locals_ = torch.cat([crop('local', i, r['local_size']) for i in range(r['locals'])])

    decayed = [v for k, v in student.items() if not (k.endswith('.bias') or v.dim() == 1)]
    others = [v for k, v in student.items() if k.endswith('.bias') or v.dim() == 1]
    opt = torch.optim.AdamW([{'params': decayed}, {'params': others, 'weight_decay': 0.0}])
    lr = cosine_schedule(r['lr'] * r['batch'] / 256, r['min_lr'], total, r['warmup_epochs'] * per)
    wd = cosine_schedule(r['weight_decay'], r['weight_decay_end'], total)
    momentum = cosine_schedule(r['momentum'], 1, total)
    temps = np.concatenate((np.linspace(r['teacher_temp_start'], r['teacher_temp'], r['teacher_warmup_epochs']),
                            np.ones(r['epochs'] - r['teacher_warmup_epochs']) * r['teacher_temp']))
    log = []
    for it in range(total):
        for i, group in enumerate(opt.param_groups):
            group['lr'] = lr[it]
            if i == 0:
                group['weight_decay'] = wd[it]
        with torch.no_grad():
            t = logits(teacher, [globals_])
        temp = float(temps[it // per])
        loss = dino_loss(logits(student, [globals_, locals_]), t, centre, r['batch'], temp, r['student_temp'])
        q = F.softmax((t - centre) / temp, -1)
        entropy = -(q * F.log_softmax((t - centre) / temp, -1)).sum(-1).mean()
        opt.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(student.values(), r['clip'])
        if it // per < r['freeze_last_layer']:
            student['head.last_layer.weight_v'].grad = None
        opt.step()
        with torch.no_grad():
            m = momentum[it]
            for k in teacher:
                teacher[k].mul_(m).add_((1 - m) * student[k].detach())
            centre = centre * r['center_momentum'] + t.mean(0, keepdim=True) * (1 - r['center_momentum'])
        log.append(torch.stack([loss.detach(), entropy, norm]))
    return {'steps': torch.stack(log), 'centre': centre[0], 'student.cls_token': student['cls_token'].detach(), 'teacher.pos_embed': teacher['pos_embed'],
            'student.last_layer': student['head.last_layer.weight_v'].detach(), 'teacher.norm.weight': teacher['norm.weight']}


def pieces(tag, dtype):
    """Loss with its gradient, three updates of the centre, and weight norm with its gradient."""
    B, V, K = 3, 4, 23
    s = (O.fill(f'{tag}.student', (V * B, K)) * 0.5).to(dtype).requires_grad_()
    t = (O.fill(f'{tag}.teacher', (2 * B, K)) * 0.5).to(dtype)
    centre = (O.fill(f'{tag}.centre', (1, K)) * 0.1).to(dtype)
    loss = dino_loss(s, t, centre, B, 0.05, 0.1)
    res = {'loss': loss.detach().reshape(1), 'grad.student': torch.autograd.grad(loss, s)[0]}
    for i in range(3):
        centre = centre * 0.9 + (t * (i + 1)).mean(0, keepdim=True) * 0.1
    res['centre.3'] = centre[0]
    v = O.fill(f'{tag}.weight_v', (17, 12)).to(dtype).requires_grad_()
    w = torch._weight_norm(v, torch.ones(17, 1, dtype=dtype), 0)
    res['weight_norm'] = w.detach()
    res['grad.weight_v'] = torch.autograd.grad((w * O.fill(f'{tag}.seed.weight_norm', (17, 12)).to(dtype)).sum(), v)[0]
    return res


def main():
    out, tag = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else 'golden'
    runs = [{**{f'piece.{k}': v for k, v in pieces(f'{tag}.dino', dtype).items()}, **train(tag, dtype)} for dtype in (torch.float64, torch.float32)]
    f64, f32 = runs
    meta = dict(tag=tag, config=vars(CFG), head=HEAD, run=RUN, columns=['loss', 'entropy', 'gradient'],
                crops='test_image(tag.global.I.B, 32, 32), test_image(tag.local.I.B, 16, 16): crop I of photo B',
                pieces='student fill(tag.dino.student, [4*3, 23]) * 0.5, teacher likewise [2*3, 23] * 0.5, centre [23] * 0.1; temperatures 0.05, 0.1; '
                       'centre.3 after batches of teacher * 1, 2, 3 with momentum 0.9; weight_v fill(tag.dino.weight_v, [17, 12])',
                f32_err={k: rel(f32[k], f64[k]) for k in f64},
                f32_err_per_step=[rel(a[:1], b[:1]) for a, b in zip(f32['steps'], f64['steps'])])
    O.save_safetensors(out / 'dino.safetensors', f64, {k: json.dumps(v) for k, v in meta.items()})
    print('losses', [round(float(v), 5) for v in f64['steps'][:, 0]])
    print('torch float32 off by', meta['f32_err_per_step'])


if __name__ == '__main__':
    main()
