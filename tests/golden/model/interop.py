"""Interoperation with transformers, on models of fresh random shapes: runs the real binary and compares.

    scripts/oracle                                   # sets up Python and runs this and every other oracle check
    python tests/golden/model/interop.py --binary build/bin/prosodia [--seed N] [--kinds omni-bf16,…] [--keep DIR]

For each kind of folder (full Omni with talker and token2wav, Thinker, Qwen2; tied and untied; bf16; shards; the config
spellings of transformers 4 and 5):
  score    log-probs of assistant turns                 <= TOLERANCE nats from transformers
  infer    greedy ids equal, their log-probs            <= TOLERANCE
  export   a folder with the same tensors bit for bit, whose logits in transformers equal the original's exactly; other
           dtypes equal what transformers converts to; after a training step, `score` of the checkpoint agrees with
           transformers on the exported folder
Audio, chat template, tokenizer and forward are transformers' own. Needs the packages of requirements.txt.
"""

import argparse
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import wave

import torch
import transformers
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Qwen2_5OmniForConditionalGeneration,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2ForCausalLM,
    WhisperFeatureExtractor,
)

from fresh_models import write_folder

TOLERANCE = 1e-4  # nats
# Greedy ids may differ only where the two best logits are closer than this.
TIE = 2e-4
KINDS = [
    "omni-bf16-sharded-old",
    "omni",
    "thinker-sharded",
    "thinker-tied-bf16",
    "qwen2-tied-bf16-old",
    "qwen2-sharded",
]
SYSTEM = "You are a helpful assistant."
NEW_TOKENS = 16


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


# --- inputs


def write_wav(path, seconds, rng):
    """A chord with vibrato and noise, 16-bit mono at 16 kHz."""
    count = int(seconds * 16000)
    t = torch.arange(count) / 16000
    pitch = rng.uniform(90, 300)
    tone = sum(torch.sin(2 * torch.pi * pitch * k * t + 0.5 * torch.sin(2 * torch.pi * 5 * t)) / k for k in (1, 2, 3))
    noise = torch.randn(count, generator=torch.Generator().manual_seed(rng.randrange(1 << 30)))
    samples = ((0.2 * tone + 0.02 * noise).clamp(-1, 1) * 32767).to(torch.int16).tolist()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1), out.setsampwidth(2), out.setframerate(16000)
        out.writeframes(struct.pack(f"<{count}h", *samples))


def read_wav(path):
    with wave.open(str(path), "rb") as source:
        data = source.readframes(source.getnframes())
    return torch.tensor(struct.unpack(f"<{len(data) // 2}h", data), dtype=torch.float32).numpy() / 32768


def make_rows(folder, rng, with_audio):
    def row(content, answer, audios=(), system=None):
        messages = [{"role": "system", "content": system}] if system else []
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        return {"messages": messages, **({"audios": list(audios)} if audios else {})}

    rows = [
        row("Which emotion is it?", "sad"),
        row(" \n Naïve café, 12 o'clock — ﬁne?", "<think>low & slow</think><answer>happy</answer>"),
        row("Answer with one word.", "angry", system="Be brief."),
    ]
    rows.append({"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
                              {"role": "user", "content": "three"}, {"role": "assistant", "content": "four"}]})  # fmt: skip
    if with_audio:
        for i, seconds in enumerate((rng.uniform(0.05, 0.5), rng.uniform(1.9, 2.1), rng.uniform(2.5, 4.5))):
            write_wav(folder / f"{i}.wav", seconds, rng)
        rows.append(row("<audio>Which emotion?", "happy", ["0.wav"]))
        rows.append(row("First <audio> then <audio>: compare.", "the second is louder", ["1.wav", "2.wav"]))
    return rows


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- transformers' side


def render(messages, audio_counts, generation_prompt):
    """The template of Qwen2.5-Omni; every <audio> becomes as many placeholders as its clip has tokens."""
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": SYSTEM}, *messages]
    counts = iter(audio_counts)
    text = ""
    for message in messages:
        parts = message["content"].split("<audio>")
        content = parts[0]
        for part in parts[1:]:
            content += "<|audio_bos|>" + "<|AUDIO|>" * next(counts) + "<|audio_eos|>" + part
        text += f"<|im_start|>{message['role']}\n{content}<|im_end|>\n"
    return text + ("<|im_start|>assistant\n" if generation_prompt else "")


class Reference:
    """A folder as transformers runs it: float32, eager attention, CPU."""

    def __init__(self, folder, audio_dir, dtype=torch.float32):
        self.audio_dir = audio_dir
        kind = AutoConfig.from_pretrained(folder).model_type
        loader = {
            "qwen2": Qwen2ForCausalLM,
            "qwen2_5_omni": Qwen2_5OmniForConditionalGeneration,
            "qwen2_5_omni_thinker": Qwen2_5OmniThinkerForConditionalGeneration,
        }[kind]
        options = {"attn_implementation": "eager", "dtype": dtype}
        if kind == "qwen2_5_omni":  # its from_pretrained has no loading info to give
            model = loader.from_pretrained(folder, **options)
        else:
            model, info = loader.from_pretrained(folder, output_loading_info=True, **options)
            for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
                check(not info[problem], f"transformers reports {problem} for {folder}: {info[problem]}")
        self.model = (model.thinker if kind == "qwen2_5_omni" else model).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.extractor = None if kind == "qwen2" else WhisperFeatureExtractor.from_pretrained(folder)

    def inputs(self, row, generation_prompt):
        features, masks, counts = [], [], []
        for ref in row.get("audios", []):
            out = self.extractor(read_wav(self.audio_dir / ref), sampling_rate=16000, return_attention_mask=True,
                                 padding="max_length", return_tensors="pt")  # fmt: skip
            frames = int(out["attention_mask"].sum())
            features.append(out["input_features"])
            masks.append(out["attention_mask"])
            counts.append(((frames - 1) // 2 + 1) // 2)
        ids = self.tokenizer(render(row["messages"], counts, generation_prompt), return_tensors="pt")["input_ids"]
        audio = {"input_features": torch.cat(features), "feature_attention_mask": torch.cat(masks)} if features else {}
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **audio}

    @torch.no_grad()
    def logits(self, inputs):
        return self.model(**inputs).logits[0]

    def logprobs(self, inputs, begin, end):
        logits = self.logits(inputs).double()
        ids = inputs["input_ids"][0, begin:end]
        return torch.log_softmax(logits, -1)[begin - 1 : end - 1].gather(1, ids[:, None])[:, 0]

    def suppressed(self, stops):
        """What is never sampled: marks, other special tokens, ids that the tokenizer does not know."""
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        vocab = self.model.get_input_embeddings().weight.shape[0]
        return [i for i in range(vocab) if i not in stops and (i in special or i >= len(self.tokenizer))]

    @torch.no_grad()
    def greedy(self, inputs, stops):
        out = self.model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=stops,
                                  pad_token_id=stops[-1], suppress_tokens=self.suppressed(stops))  # fmt: skip
        return out[0, inputs["input_ids"].shape[1] :].tolist()


# --- the checks


class Case:
    def __init__(self, kind, folder, work, binary, rows):
        self.kind, self.folder, self.work, self.binary, self.rows = kind, folder, work, binary, rows
        self.rows_file = work / "rows.jsonl"
        self.worst = {"score": 0.0, "infer": 0.0}
        self.ties = 0

    def run(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True)
        check(done.returncode == 0, f"{' '.join(map(str, arguments))} exits with {done.returncode}\n{done.stderr}")

    def score(self, reference, folder):
        out = self.work / "scored.jsonl"
        self.run("score", "--model", folder, "--input", self.rows_file, "--output", out)
        for row in read_jsonl(out):
            inputs = reference.inputs(row, generation_prompt=False)
            end = inputs["input_ids"].shape[1] - 1  # the newline after the last <|im_end|> is not scored
            begin = end - len(row["token_ids"])
            ids = inputs["input_ids"][0, begin:end].tolist()
            check(ids == row["token_ids"], f"score: token ids {row['token_ids']}, transformers has {ids}")
            self.compare("score", reference.logprobs(inputs, begin, end), row["logprobs"])

    def compare(self, what, expected, got):
        difference = (expected - torch.tensor(got, dtype=torch.float64)).abs().max().item()
        self.worst[what] = max(self.worst[what], difference)
        check(difference <= TOLERANCE, f"{what}: a log-prob is {difference:.2e} nats off, allowed {TOLERANCE}")

    def infer(self, reference):
        out = self.work / "greedy.jsonl"
        self.run("infer", "--model", self.folder, "--input", self.rows_file, "--output", out, "--greedy",
                 "--max_completion_length", NEW_TOKENS)  # fmt: skip
        stops = [reference.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
        for row in read_jsonl(out):
            prompt = {**row, "messages": row["messages"][:-1]}
            completion = row["completions"][0]
            inputs = reference.inputs(prompt, generation_prompt=True)
            begin = inputs["input_ids"].shape[1]
            full = torch.cat([inputs["input_ids"], torch.tensor([completion["token_ids"]])], 1)
            followed = {**inputs, "input_ids": full, "attention_mask": torch.ones_like(full)}
            self.compare("infer", reference.logprobs(followed, begin, full.shape[1]), completion["logprobs"])
            self.same_ids(reference, followed, begin, reference.greedy(inputs, stops), completion, stops)

    def same_ids(self, reference, followed, begin, expected, completion, stops):
        got = completion["token_ids"]
        if got != expected:
            at = next(i for i, (a, b) in enumerate(zip(got + [-1], expected + [-1])) if a != b)
            logits = reference.logits(followed)[begin + at - 1]
            margin = (logits[expected[at]] - logits[got[at]]).item() if at < len(got) and at < len(expected) else 1e9
            check(abs(margin) < TIE, f"infer: greedy ids {got}, transformers has {expected} (margin {margin:.2e})")
            self.ties += 1
        reason = "stop" if got[-1] in stops else "length"
        check(completion["finish_reason"] == reason, f"infer: finish_reason {completion['finish_reason']}, not {reason}")

    def export(self, reference):
        out = self.work / "exported"
        self.run("export", "--model", self.folder, "--output_dir", out, "--max_shard_size", "50KB")
        self.same_tensors(self.folder, out)
        before = json.loads((self.folder / "config.json").read_text())
        check(json.loads((out / "config.json").read_text()) == before, "export: config.json changed")
        self.same_logits(reference, Reference(out, self.work), "export")
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            converted = self.work / f"exported-{name}"
            self.run("export", "--model", self.folder, "--output_dir", converted, "--dtype", name)
            config = AutoConfig.from_pretrained(converted)
            check(config.dtype == dtype, f"export --dtype {name}: config.json says {config.dtype}")
            self.same_logits(Reference(self.folder, self.work, dtype), Reference(converted, self.work, dtype),
                             f"export --dtype {name}")  # fmt: skip

    def same_tensors(self, a, b):
        def tensors(folder):
            found = {}
            for path in sorted(folder.glob("*.safetensors")):
                with safe_open(path, "pt") as file:
                    check(file.metadata() == {"format": "pt"}, f"{path}: metadata {file.metadata()}")
                    found.update({key: file.get_tensor(key) for key in file.keys()})
            return found

        first, second = tensors(a), tensors(b)
        check(first.keys() == second.keys(), f"export: tensors differ: {sorted(first.keys() ^ second.keys())[:5]}")
        for key, tensor in first.items():
            other = second[key]
            same = tensor.dtype == other.dtype and tensor.shape == other.shape
            check(same and tensor.contiguous().view(torch.uint8).equal(other.contiguous().view(torch.uint8))
                  if tensor.dim() else same and tensor.item() == other.item(), f"export: {key} changed")  # fmt: skip

    def same_logits(self, one, other, what):
        for row in self.rows:
            inputs = one.inputs(row, generation_prompt=False)
            check(torch.equal(one.logits(inputs), other.logits(inputs)), f"{what}: logits changed")

    def export_of_a_run(self):
        """One training step, the run's checkpoint scored as it is, and the exported folder in transformers."""
        run = self.work / "run"
        self.run("sft", "--model", self.folder, "--dataset", self.rows_file, "--output_dir", run, "--max_steps", 2,
                 "--save_steps", 1, "--learning_rate", "1e-3", "--per_device_train_batch_size", 2)  # fmt: skip
        checkpoint = max((run / "checkpoints").glob("step-*"))
        out = self.work / "trained"
        self.run("export", "--model", checkpoint, "--output_dir", out)
        self.score(Reference(out, self.work), checkpoint)


def run_kind(kind, seed, work, binary, tokenizer_dir, tokenizer_ids, with_run):
    started = time.monotonic()
    rng = random.Random(f"{kind}/{seed}")
    work.mkdir()
    vocab_size = tokenizer_ids["size"] + rng.choice([0, 1, 40])
    folder = write_folder(kind, work / "model", tokenizer_dir, tokenizer_ids["omni"], vocab_size, rng.randrange(1 << 30))
    rows = make_rows(work, rng, with_audio=not kind.startswith("qwen2"))
    case = Case(kind, folder, work, binary, rows)
    write_jsonl(case.rows_file, rows)
    reference = Reference(folder, work)
    case.score(reference, folder)
    case.infer(reference)
    case.export(reference)
    if with_run:
        case.export_of_a_run()
    text = json.loads((folder / "config.json").read_text())
    text = text.get("thinker_config", text)
    text = text.get("text_config", text)
    print(f"ok   {kind:<24} hidden {text['hidden_size']:>3}, heads {text['num_attention_heads']:>2}/"
          f"{text['num_key_value_heads']}, layers {text['num_hidden_layers']}: score {case.worst['score']:.1e}, "
          f"infer {case.worst['infer']:.1e} nats off at most{f', {case.ties} near-ties' if case.ties else ''} "
          f"({time.monotonic() - started:.1f} s)", flush=True)  # fmt: skip


def make_tokenizer(work, binary):
    """`prosodia init` writes it; AutoTokenizer reads it."""
    texts = work / "texts.jsonl"
    write_jsonl(texts, [{"messages": [
        {"role": "user", "content": "Which emotion is it? Answer with one word: happy, sad or angry."},
        {"role": "assistant", "content": "<think>The pitch is low and slow.</think><answer>sad</answer>"}]}])  # fmt: skip
    folder = work / "tokenizer"
    done = subprocess.run([binary, "init", "--model", folder, "--dataset", texts, "--vocab_size", "330"],
                          capture_output=True, text=True)  # fmt: skip
    check(done.returncode == 0, f"init: {done.stderr}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    names = [name for name in config if name.endswith(("_token_id", "_token_index")) and isinstance(config[name], int)]
    return folder, {"size": len(tokenizer), "omni": {**{name: config[name] for name in names}, "user_token_id": 5}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--kinds", default=",".join(KINDS), help="LAYOUT[-tied][-bf16][-sharded][-old], with commas")
    parser.add_argument("--keep", type=pathlib.Path, help="work here and leave everything behind")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}; --seed {arguments.seed}", flush=True)
    temporary = tempfile.TemporaryDirectory(prefix="prosodia-interop-")
    root = arguments.keep or pathlib.Path(temporary.name)
    root.mkdir(parents=True, exist_ok=True)
    failed = []
    tokenizer_dir, tokenizer_ids = make_tokenizer(root, arguments.binary.resolve())
    for index, kind in enumerate(arguments.kinds.split(",")):
        shutil.rmtree(root / kind, ignore_errors=True)
        try:
            run_kind(kind, arguments.seed, root / kind, arguments.binary.resolve(), tokenizer_dir, tokenizer_ids,
                     with_run=kind.startswith("omni") or "tied" in kind.split("-"))  # fmt: skip
        except Failure as failure:
            failed.append(kind)
            print(f"FAIL {kind}: {failure}\n     again: --seed {arguments.seed} --kinds {kind} --keep DIR", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
