"""LoRA against the peft package: its adapters in our program, ours in peft, and merged exports in transformers.

    python tests/golden/model/lora_oracle.py --generate          the stored values of lora_golden_test.cc
    python tests/golden/model/lora_oracle.py PROSODIA MODEL DATA.jsonl [ADAPTER]
        MODEL: a model folder; DATA: rows whose last turn is the assistant's, without audio. With random A and B, on
        MODEL: peft's adapter folder scored by PROSODIA, the merged export scored by transformers; and, when ADAPTER
        (a folder that our training wrote) is given, that folder in peft.

Needs the packages of requirements.txt. float32, CPU, one thread. Exit code 1 when a tolerance is missed.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2ForCausalLM,
)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import interop  # noqa: E402
import generate  # noqa: E402

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-4  # nats; the networks are small, so they agree this far
DECODER = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
DECODER_PATTERN = r"model\.layers\.\d+\.(self_attn|mlp)\.(" + "|".join(DECODER) + ")"
AUDIO_PATTERN = r"audio_tower\.layers\.\d+\.(self_attn\.)?(q_proj|k_proj|v_proj|out_proj|fc1|fc2)|audio_tower\.proj"
# Gradients stored of the Thinker: the first layer of both towers and the projector.
STORED = ("model.layers.0.", "audio_tower.layers.0.", "audio_tower.proj.")


def load_base(folder):
    is_text = AutoConfig.from_pretrained(folder).model_type == "qwen2"
    loader = Qwen2ForCausalLM if is_text else Qwen2_5OmniThinkerForConditionalGeneration
    return loader.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def randomise(model, seed):
    """A and B from a seeded normal distribution: peft starts B at zero, which hides every mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))


def with_adapter(base, seed, **options):
    settings = {"r": 3, "lora_alpha": 5, "lora_dropout": 0.0, "bias": "none", **options}
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings))
    randomise(model, seed)
    return model.eval()


def save_adapter(model, folder, base):
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder)
    for extra in ("README.md",):
        (pathlib.Path(folder) / extra).unlink(missing_ok=True)
    (pathlib.Path(folder) / "adapter_model.safetensors").chmod(0o644)


def generate_golden():
    """Adapters on the stored models of generate.py, run on the inputs that are stored with them."""
    for name, seed, options in [
        ("qwen2_tied", 31, dict(target_modules=DECODER)),
        ("thinker", 32, dict(target_modules=f"{DECODER_PATTERN}|{AUDIO_PATTERN}", use_rslora=True)),
    ]:
        cases = generate.load_file(HERE / f"{name}_cases.safetensors")
        model = with_adapter(load_base(HERE / name), seed, **options)
        case = "text" if name == "qwen2_tied" else "audio"
        lengths = cases[f"{case}.lengths"].tolist()
        rows = [row.tolist() for row in cases[f"{case}.token_ids"].split(lengths)]
        features = {}
        if case == "audio":
            order = cases["audio.clip_order"].tolist()
            mels = [cases[f"mel.{i}"] for i in order]
            width = max(mel.shape[1] for mel in mels)
            values = torch.zeros(len(mels), generate.MEL_BINS, width)
            mask = torch.zeros(len(mels), width, dtype=torch.long)
            for i, mel in enumerate(mels):
                values[i, :, : mel.shape[1]] = mel
                mask[i, : mel.shape[1]] = 1
            features = {"input_features": values, "feature_attention_mask": mask}
        ids, mask = generate.left_pad(rows)
        labels = generate.labels_of(ids, mask)
        result = model(input_ids=ids, attention_mask=mask, labels=labels, **features)
        result.loss.backward()
        out = {"logits": generate.valid(result.logits.detach(), mask), "loss": result.loss.detach().reshape(1)}
        for key, parameter in model.named_parameters():
            key = key.removeprefix("base_model.model.").replace(".default", "")
            if parameter.grad is not None and (case == "text" or key.startswith(STORED)):
                out[f"grad.{key}"] = parameter.grad.clone()
        save_adapter(model, HERE / f"{name}_lora", f"../{name}")
        generate.store(f"{name}_lora_cases", out)


def scored(prosodia, work, data, *options):
    output = work / "scored.jsonl"
    subprocess.run([prosodia, "score", "--input", data, "--output", output, *options], check=True)
    return [json.loads(line) for line in output.read_text().splitlines()]


def worst_difference(model, tokenizer, rows):
    worst = 0.0
    for row in rows:
        ids = tokenizer(interop.render(row["messages"], [], generation_prompt=False), return_tensors="pt")["input_ids"]
        end = ids.shape[1] - 1  # the newline after the last <|im_end|> is not scored
        begin = end - len(row["token_ids"])
        assert ids[0, begin:end].tolist() == row["token_ids"], "token ids differ"
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].double()
        expected = torch.log_softmax(logits, -1)[begin - 1 : end - 1].gather(1, ids[0, begin:end, None])[:, 0]
        worst = max(worst, (expected - torch.tensor(row["logprobs"], dtype=torch.float64)).abs().max().item())
    return worst


def compare(prosodia, base_dir, data, ours):
    worst = {}
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    is_text = AutoConfig.from_pretrained(base_dir).model_type == "qwen2"
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        targets = DECODER if is_text else DECODER_PATTERN
        model = with_adapter(load_base(base_dir), 41, r=5, lora_alpha=7, target_modules=targets)
        save_adapter(model, work / "theirs", str(base_dir))
        beside = scored(prosodia, work, data, "--model", base_dir, "--adapter", work / "theirs")
        alone = scored(prosodia, work, data, "--model", work / "theirs")
        assert [r["logprobs"] for r in beside] == [r["logprobs"] for r in alone], "--adapter and --model disagree"
        plain = scored(prosodia, work, data, "--model", base_dir)
        moved = max(abs(a - b) for x, y in zip(beside, plain) for a, b in zip(x["logprobs"], y["logprobs"]))
        assert moved > 0.01, "the adapter changes nothing: the comparison would be empty"
        worst["peft's adapter, run here"] = worst_difference(model, tokenizer, beside)
        subprocess.run([prosodia, "export", "--model", work / "theirs", "--output_dir", work / "merged"], check=True)
        worst["peft's adapter, merged here, in transformers"] = worst_difference(
            load_base(work / "merged"), tokenizer, beside
        )
        if ours:
            here = scored(prosodia, work, data, "--model", ours)
            loaded = PeftModel.from_pretrained(load_base(base_dir), ours).eval()
            worst["our adapter, in peft"] = worst_difference(loaded, tokenizer, here)
            subprocess.run([prosodia, "export", "--model", ours, "--output_dir", work / "ours"], check=True)
            worst["our adapter, merged here, in transformers"] = worst_difference(
                load_base(work / "ours"), tokenizer, here
            )
    for what, difference in worst.items():
        print(f"{what}: largest difference of a log-prob {difference:.2e}")
    return 0 if max(worst.values()) < TOLERANCE else 1


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generate", action="store_true")
    parser.add_argument("arguments", nargs="*", type=lambda text: pathlib.Path(text).absolute())
    options = parser.parse_args()
    if options.generate:
        generate_golden()
        return 0
    if len(options.arguments) not in (3, 4):
        parser.error("wanted: PROSODIA MODEL DATA.jsonl [ADAPTER]")
    return compare(*options.arguments[:3], (options.arguments + [None])[3])


if __name__ == "__main__":
    sys.exit(main())
