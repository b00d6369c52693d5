"""Writes advantages.json: group-relative advantages as TRL 1.16.0 computes them.

Run by hand (versions: requirements.txt beside this file):  python generate.py > advantages.json

The arithmetic is not retyped. The lines of TRL's own GRPOTrainer that turn rewards into advantages are cut out of the
installed trl package (from the "sum_then_normalize" branch to nan_to_num) and executed in float64, so that this fails
loudly when TRL's code moves. A missing reward is TRL's "unscorable" row: NaN for every reward function.
"""

import importlib.metadata
import inspect
import json
import random
import sys
import textwrap
from types import SimpleNamespace

import torch
from trl.trainer import grpo_trainer
from trl.trainer.utils import nanstd

VERSION = "1.16.0"


def trl_source() -> str:
    source = inspect.getsource(grpo_trainer.GRPOTrainer)
    begin = source.index("        unscorable_mask = torch.isnan(rewards_per_func).all(dim=1)")
    last = "advantages = torch.nan_to_num(advantages, nan=0.0)"
    end = source.index(last, begin) + len(last)
    return textwrap.dedent(source[begin:end])


def trl_advantages(code, rewards, num_generations, scale):
    scope = {
        "torch": torch,
        "nanstd": nanstd,
        "device": "cpu",
        "num_generations": num_generations,
        "rewards_per_func": torch.tensor(rewards, dtype=torch.float64).unsqueeze(1),
        "self": SimpleNamespace(
            multi_objective_aggregation="sum_then_normalize",
            reward_weights=torch.ones(1, dtype=torch.float64),
            scale_rewards=scale,
            reward_funcs=[None],
        ),
    }
    exec(code, scope)
    return scope["advantages"].tolist(), scope["is_std_zero"].double().mean().item()


def main() -> None:
    found = importlib.metadata.version("trl")
    if found != VERSION:
        sys.exit(f"expected trl {VERSION}, found {found}")
    torch.set_default_dtype(torch.float64)  # nanstd's count / (count - 1) takes the default type
    code = compile(trl_source(), "trl", "exec")
    rng = random.Random(20260117)
    nan = float("nan")
    batches = [
        ([1, 0, 0, 1], 4),
        ([0.2, 0.5, 0.9], 3),
        ([1.3, 1.3, 1.3, 1.3, 0.3, 0, 1, 1.3], 4),
        ([nan, 1.0, 0.5, 0.25, 0.7, nan, nan, 1.8], 4),
        ([nan, nan, 0.4, nan, 1.3, 0.0, 1.3, 0.0], 4),  # one present, then four
        ([nan, nan, nan, 0.3, 0.9, 1.1], 3),  # a group without any
    ]
    for size in (2, 8, 16):
        batches.append(([round(rng.uniform(0, 1.8), 6) for _ in range(size * 3)], size))
    batches.append(([rng.choice([nan, 0.0, 0.3, 1.0, 1.3, 1.721]) for _ in range(32)], 8))

    cases = []
    for rewards, num_generations in batches:
        for scale in ("group", "batch", "none"):
            advantages, zero_std = trl_advantages(code, rewards, num_generations, scale)
            cases.append(
                {
                    "rewards": [None if r != r else r for r in rewards],
                    "num_generations": num_generations,
                    "scale_rewards": scale,
                    "advantages": advantages,
                    "frac_reward_zero_std": zero_std,
                }
            )
    print(json.dumps({"trl": VERSION, "torch": torch.__version__, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
