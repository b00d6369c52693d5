"""Compares Prosodia's tokenizer with Hugging Face's `tokenizers` on random and multilingual strings: run by hand in a venv with
requirements.txt, after building the target encode_lines.

    python compare.py ENCODE_LINES TOKENIZER_DIR [--count 200000] [--seed 1] [--every_code_point]

TOKENIZER_DIR holds tokenizer.json, or vocab.json and merges.txt (tests/golden/text/tiny; Qwen2's own). Each string is encoded
with and without special tokens and decoded both ways. --every_code_point adds every valid code point in five contexts.
That takes some minutes.
Prints the number of differences and the first ten; exit code 1 when there is one.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

from generate import models, qwen_pipeline, random_text
from tokenizers import Tokenizer

CONTEXTS = ["{}", "a{}b", " {}1", "e{}\u0301\u0323", "'{}\n {}"]


def load_tokenizer(folder):
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    return qwen_pipeline(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))


def every_code_point():
    """A string for 64 code points and a context; '|' keeps one context from the next."""
    for begin in range(0, 0x110000, 64):
        if not 0xD800 <= begin < 0xE000:
            for context in CONTEXTS:
                yield "|".join(context.replace("{}", chr(value)) for value in range(begin, begin + 64))


def answers(tokenizer, texts):
    tokenizer.encode_special_tokens = False
    ids = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    tokenizer.encode_special_tokens = True
    plain = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    kept = tokenizer.decode_batch(ids, skip_special_tokens=False)
    skipped = tokenizer.decode_batch(ids, skip_special_tokens=True)
    return [list(row) for row in zip(ids, plain, kept, skipped)]


def product_answers(program, folder, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([program, folder], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(texts), (len(rows), len(texts))
    return rows


def compare(name, tokenizer, program, folder, texts):
    total, differences = 0, []
    texts = iter(texts)
    while batch := [text for _, text in zip(range(50_000), texts)]:
        for text, expected, seen in zip(batch, answers(tokenizer, batch), product_answers(program, folder, batch)):
            if expected != seen:
                differences.append((text, expected, seen))
        total += len(batch)
    print(f"{name}: {total} strings, {len(differences)} differences")
    for text, expected, seen in differences[:10]:
        print(f"  {ascii(text)}\n    tokenizers {expected}\n    prosodia   {seen}")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every_code_point", action="store_true")
    args = parser.parse_args()
    tokenizer = load_tokenizer(args.folder)
    rng = random.Random(args.seed)
    bad = compare(f"random (seed {args.seed})", tokenizer, args.program, args.folder, (random_text(rng) for _ in range(args.count)))
    if args.every_code_point:
        bad += compare("every code point", tokenizer, args.program, args.folder, every_code_point())
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
