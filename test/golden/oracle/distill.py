"""Writes distill.safetensors: a small ViT learns from another one, in PyTorch.

    /usr/bin/python3 test/golden/oracle/distill.py OUT_DIR [TAG]

The student sees the teacher's crops reduced by antialiased bicubic resampling. Its loss is 3 times the mean squared error of CLS tokens (after the student's final
norm and a linear layer), that of keys (after a linear layer), both against the teacher's, standardised token by token, and 20 times that of the keys' cosine
similarities. The teacher's keys are those of two blocks, the last and the one after two thirds, side by side; their similarities are averaged. AdamW with two groups, warm-up and cosine as in dino.py. Values are of a float64 run, `f32_err` says how far PyTorch's float32 run is off.
"""
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

import oracle as O
from dino import cosine_schedule, rel

torch.set_num_threads(1)

STUDENT = O.VitConfig(32, 2, 2, 8, image=32)
TEACHER = O.VitConfig(40, 3, 4, 16, image=48)
RUN = dict(batch=3, epochs=5, steps_per_epoch=2, lr=0.5, min_lr=1e-6, warmup_epochs=1, weight_decay=0.05, weight_decay_end=0.05, clip=3.0)
CLS, SIMILARITY = 3, 20
BLOCKS = [1, 2]  # of the teacher's three, from 0


def standardised(x):
    return F.layer_norm(x, (x.shape[-1],), eps=1e-6)


def similarities(keys):
    return torch.stack([O.self_similarity(k) for k in keys])


def train(tag, dtype):
    r, per = RUN, RUN['steps_per_epoch']
    total = r['epochs'] * per
    head = {f'head.{n}.{part}': O.fill(f'{tag}.head.{n}.{part}', shape, scale).to(dtype)
            for n, wide in (('cls', TEACHER.dim), ('keys', len(BLOCKS) * TEACHER.dim))
            for part, shape, scale in (('weight', (wide, STUDENT.dim), (3 / STUDENT.dim) ** 0.5), ('bias', (wide,), 0.1))}
    p = {k: v.clone().requires_grad_() for k, v in {**O.vit_params(STUDENT, tag, dtype), **head}.items()}
    teacher = O.vit_params(TEACHER, f'{tag}.teacher', dtype)
    side = STUDENT.image // STUDENT.patch * TEACHER.patch
    crops = torch.cat([O.test_image(f'{tag}.crop.{b}', side, side) for b in range(r['batch'])]).to(dtype)
    with torch.no_grad():
        layers = O.vit(teacher, TEACHER, O.normalize(crops))
        seen, keys = layers[-1]['tokens'][:, 0], [layers[block]['keys'] for block in BLOCKS]
        relations = torch.stack([similarities(k) for k in keys]).mean(0)
        small = O.resize_square_bicubic(crops, STUDENT.image, antialias=True)
    plain = [v for k, v in p.items() if k.endswith('.bias') or v.dim() == 1]
    opt = torch.optim.AdamW([{'params': [v for v in p.values() if all(v is not other for other in plain)]}, {'params': plain, 'weight_decay': 0.0}])
    lr = cosine_schedule(r['lr'] * r['batch'] / 256, r['min_lr'], total, r['warmup_epochs'] * per)
    log = []
    for it in range(total):
        for i, group in enumerate(opt.param_groups):
            group['lr'] = lr[it]
            if i == 0:
                group['weight_decay'] = r['weight_decay']
        own = O.vit(p, STUDENT, O.normalize(small))[-1]
        cls = F.layer_norm(own['tokens'][:, 0], (STUDENT.dim,), p['norm.weight'], p['norm.bias'], STUDENT.eps)
        parts = [F.mse_loss(F.linear(cls, p['head.cls.weight'], p['head.cls.bias']), standardised(seen)),
                 F.mse_loss(F.linear(own['keys'], p['head.keys.weight'], p['head.keys.bias']), torch.cat([standardised(k) for k in keys], -1)),
                 F.mse_loss(similarities(own['keys']), relations)]
        loss = CLS * parts[0] + parts[1] + SIMILARITY * parts[2]
        opt.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([v for v in p.values() if v.grad is not None], r['clip'])
        opt.step()
        log.append(torch.stack([loss.detach(), *(x.detach() for x in parts), norm]))
    return {'steps': torch.stack(log), 'cls_token': p['cls_token'].detach(), 'pos_embed': p['pos_embed'].detach(), 'norm.weight': p['norm.weight'].detach(),
            'head.keys.weight': p['head.keys.weight'].detach()}


def main():
    out, tag = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else 'golden'
    f64, f32 = (train(tag, dtype) for dtype in (torch.float64, torch.float32))
    meta = dict(tag=tag, student=vars(STUDENT), teacher=vars(TEACHER), blocks=BLOCKS, run=RUN, columns=['loss', 'cls', 'keys', 'similarity', 'gradient'],
                weights='vit_params(STUDENT, tag), vit_params(TEACHER, tag.teacher), fill(tag.head.NAME.weight, ..., sqrt(3 / 32)), bias 0.1',
                crops='test_image(tag.crop.B, 64, 64)', f32_err={k: rel(f32[k], f64[k]) for k in f64})
    O.save_safetensors(out / 'distill.safetensors', f64, {k: json.dumps(v) for k, v in meta.items()})
    for row, other in zip(f64['steps'], f32['steps']):
        print([round(float(v), 5) for v in row], f'{rel(other, row):.1e}')


if __name__ == '__main__':
    main()
