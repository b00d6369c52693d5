"""Writes the fixtures that tests/unit/store reads: what Hugging Face's own writer makes.

Run with the packages of tests/golden/store/requirements.txt:
    python tests/golden/store/make_safetensors.py tests/golden/store
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

out = Path(sys.argv[1])
count = lambda dtype, *shape: (torch.arange(torch.Size(shape).numel()) % 100).reshape(shape).to(dtype)
tensors = {
    "z.f64": count(torch.float64, 2, 2),
    "a.i64": count(torch.int64, 3),
    "model.layers.10.weight": count(torch.float32, 2, 3) / 7,
    "model.layers.2.weight": -count(torch.float32, 3, 2) / 7,
    "i32": count(torch.int32, 2),
    "half": count(torch.float16, 5) / 3,
    "brain": count(torch.bfloat16, 5) / 3,
    "i16": count(torch.int16, 3),
    "i8": -count(torch.int8, 3),
    "u8": count(torch.uint8, 3),
    "bool": count(torch.bool, 3),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
    "naïve \"quoted\"\n": count(torch.float32, 1),
}
save_file(tensors, out / "all_dtypes.safetensors", metadata={"format": "pt"})
save_file({}, out / "no_tensors.safetensors")
