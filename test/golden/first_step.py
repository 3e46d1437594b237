"""The first step's losses on real photos, this project beside PyTorch; exit code 1 when they differ by more than 1e-4.

    /usr/bin/python3 test/golden/first_step.py PAIR_FOLDER WEIGHTS.safetensors [SIDE]

Run it in the package's root after a build.  Both sides see the same pixels: the Node side writes the photos it read.
"""
import glob
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / 'oracle'))
import oracle as O
from train import load_safetensors

torch.set_num_threads(2)


def pytorch(photos, weights, sidecar):
    cfg = O.VitConfig(sidecar['dim'], sidecar['depth'], sidecar['heads'], sidecar['patch'])
    vp = load_safetensors(weights)
    O.normalize.__defaults__ = (sidecar['mean'], sidecar['std'])
    a, b = photos['structure'], photos['appearance']
    skip, unet = O.skip_params('first.skip'), O.unet_params('first.unet')
    runs = {'splice': (lambda x: O.skip_net(skip, x), lambda x: O.resize_shorter_side(x, 224, antialias=True)),
            'splice-transfer': (lambda x: O.unet(unet, x), lambda x: O.resize_square_bicubic(x, 224, antialias=True))}
    with torch.no_grad():
        return {name: [float(t) for t in O.splice_losses(vp, cfg, net(a), a, net(b), b, resize)] for name, (net, resize) in runs.items()}


def main():
    pair, weights, side = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else '128'
    find = lambda part: glob.glob(f'{pair}/{part}.*')[0]
    with tempfile.TemporaryDirectory() as out:
        node = subprocess.run(['node', 'dist/test/golden/firstStep.js', find('structure'), find('appearance'), weights, side, out],
                              check=True, stdout=subprocess.PIPE, text=True)
        ours, theirs = json.loads(node.stdout), pytorch(load_safetensors(f'{out}/photos.safetensors'), weights,
                                                        json.loads(Path(weights).with_suffix('.json').read_text()))
    worst = 0
    for recipe, values in theirs.items():
        for term, a, b in zip(('structure', 'appearance', 'identity'), ours[recipe], values):
            error = abs(a - b) / abs(b)
            worst = max(worst, error)
            print(f'{recipe:16} {term:11} {a:.7f} PyTorch {b:.7f} relative difference {error:.1e}')
    sys.exit(0 if worst <= 1e-4 else f'differs by {worst:.1e}')


main()
