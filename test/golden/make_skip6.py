"""Writes skip6_70x65.safetensors: the published inversion network.

    /usr/bin/python3 test/golden/make_skip6.py [OUT_DIR [TAG]]
"""
import json
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here / 'oracle'))
import oracle as O  # noqa: E402

out = Path(sys.argv[1]) if len(sys.argv) > 1 else here
tag = sys.argv[2] if len(sys.argv) > 2 else 'golden'
DOWN, WINDOWS = (16, 32, 64, 128, 128, 128), [7, 7, 5, 5, 3, 3]
params = O.skip_params(f'{tag}.skip6', in_ch=32, down=DOWN, up=DOWN, ksize=WINDOWS)
x = O.fill(f'{tag}.skip6.input', (1, 32, 70, 65))
exact = O.skip_net({k: v.double() for k, v in params.items()}, x.double(), scales=6, pad='reflect')
single = O.skip_net(params, x, scales=6, pad='reflect').double()
error = float((single - exact).abs().max() / exact.abs().max())
meta = {'params': f'{tag}.skip6', 'input': f'{tag}.skip6.input', 'windows': WINDOWS, 'f32_err': {'output': error}}
O.save_safetensors(out / 'skip6_70x65.safetensors', {'output': exact}, {k: json.dumps(v) for k, v in meta.items()})
