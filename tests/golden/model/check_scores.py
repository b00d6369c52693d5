"""Compares `prosodia score` with transformers on any model folder and data set.

    prosodia score --model DIR --input F.jsonl --output scored.jsonl
    python tests/golden/model/check_scores.py DIR scored.jsonl

Needs the packages of requirements.txt, and soundfile for rows with audio (16 kHz mono WAV). Audio, chat template,
tokenizer and forward are transformers' own, so a small difference vouches for the whole path.
"""

import json
import pathlib
import sys

import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2ForCausalLM,
    WhisperFeatureExtractor,
)

# Nats. Log-mels agree to 1e-5; a deep random network can turn that into ten times as much.
TOLERANCE = 1e-3
SYSTEM = "You are a helpful assistant."


def render(messages, audio_counts):
    """The template of spec Qwen2.5-Omni; every <audio> becomes as many placeholders as its clip has tokens."""
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
    return text


def load_audio(row, folder, extractor):
    import soundfile

    features, frames = [], []
    for ref in row.get("audios", []):
        samples, rate = soundfile.read(folder / ref, dtype="float32")
        assert rate == 16000, f"{ref}: {rate} Hz, expected 16000"
        out = extractor(samples, sampling_rate=rate, return_attention_mask=True, padding="max_length",
                        return_tensors="pt")  # fmt: skip
        features.append(out["input_features"])
        frames.append(out["attention_mask"])
    if not features:
        return {}, []
    mask = torch.cat(frames)
    counts = [((int(n) - 1) // 2 + 1) // 2 for n in mask.sum(-1)]
    return {"input_features": torch.cat(features), "feature_attention_mask": mask}, counts


def main():
    model_dir, scored = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    config = AutoConfig.from_pretrained(model_dir)
    is_text = config.model_type == "qwen2"
    loader = Qwen2ForCausalLM if is_text else Qwen2_5OmniThinkerForConditionalGeneration
    model = loader.from_pretrained(model_dir, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    extractor = None if is_text else WhisperFeatureExtractor.from_pretrained(model_dir)
    worst = 0.0
    for line in scored.read_text().splitlines():
        row = json.loads(line)
        audio, counts = load_audio(row, scored.parent, extractor)
        ids = tokenizer(render(row["messages"], counts), return_tensors="pt")["input_ids"]
        end = ids.shape[1] - 1  # the newline after the last <|im_end|> is not scored
        begin = end - len(row["token_ids"])
        assert ids[0, begin:end].tolist() == row["token_ids"], "token ids differ"
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **audio).logits[0].double()
        expected = torch.log_softmax(logits, -1)[begin - 1 : end - 1].gather(1, ids[0, begin:end, None])[:, 0]
        worst = max(worst, (expected - torch.tensor(row["logprobs"], dtype=torch.float64)).abs().max().item())
    print(f"largest difference of a log-prob: {worst:.2e}")
    return 0 if worst < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
