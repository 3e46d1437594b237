"""The published inversion network: /usr/bin/python3 make_skip6.py writes skip6_70x65.safetensors beside this file."""
import json
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here / 'oracle'))
import oracle as O  # noqa: E402

TAG, DOWN, WINDOWS = 'golden', (16, 32, 64, 128, 128, 128), [7, 7, 5, 5, 3, 3]
params = O.skip_params(f'{TAG}.skip6', in_ch=32, down=DOWN, up=DOWN, ksize=WINDOWS)
x = O.fill(f'{TAG}.skip6.input', (1, 32, 70, 65))
exact = O.skip_net({k: v.double() for k, v in params.items()}, x.double(), scales=6, pad='reflect')
single = O.skip_net(params, x, scales=6, pad='reflect').double()
error = float((single - exact).abs().max() / exact.abs().max())
meta = {'params': f'{TAG}.skip6', 'input': f'{TAG}.skip6.input', 'windows': WINDOWS, 'f32_err': {'output': error}}
O.save_safetensors(here / 'skip6_70x65.safetensors', {'output': exact}, {k: json.dumps(v) for k, v in meta.items()})
