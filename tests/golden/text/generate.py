"""Writes the stored values of text_golden_test: run by hand in a venv with requirements.txt.

    python generate.py corpus                      corpus.json, and hf_merges.txt: what Hugging Face's BpeTrainer learns from it
    python generate.py vectors TRAINED [COUNT]     tiny/, trained.vectors.json, chat.json: TRAINED is the tokenizer folder
                                                   that text_golden_test trained and saved (it prints where)
    python generate.py qwen VOCAB_DIR [COUNT]      qwen2.vectors.json, from Qwen2's vocab.json and merges.txt

A larger COUNT (default 300) makes a file for a one-time fuzz run; do not commit that.
"""

import json
import random
import shutil
import sys
import unicodedata
from pathlib import Path

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).parent
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
VERSIONS = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
MERGES = 500


def qwen_pipeline(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def corpus_lines(rng):
    pick = rng.choice
    words = ["".join(pick("bcdfgklmnprst") + pick("aeiou") for _ in range(rng.randrange(1, 5))) for _ in range(400)]
    for _ in range(150):
        yield " ".join(pick(words) for _ in range(rng.randrange(3, 14))) + pick([".", "!", "?", "...", ",\n", "\n\n"])
    for _ in range(120):
        yield (f"<think>The speaker's {pick(['pitch', 'energy', 'speaking rate', 'intonation'])} is "
               f"{pick(['high', 'low', 'normal', 'rising', 'falling', 'flat'])}, and the voice sounds "
               f"{pick(['tense', 'bright', 'breathy', 'tired', 'trembling'])}; it doesn't seem "
               f"{pick(['calm', 'forced', 'neutral'])}.</think><answer>"
               f"{pick(['happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised', 'neutral', 'calm'])}</answer>")
    for _ in range(40):
        yield f"{pick(['Führer', 'Élan vital', 'naïve café', 'нещо на Български', '我想在apple工作', 'Cửa Việt'])} {rng.randrange(10**6)}"
    yield "aaaa aaaaaaa aaa abababab babab\t\tindent\r\n  two\n\n\nlines   end  "


ALPHABETS = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789²Ⅷ٣", " ", "  \t\n\r", "\u0085\u00a0\u2028\u3000\u200b\ufeff\u180e",
             ".,;:!?-_'\"<>()[]{}|/\\@#$%^&*+=~`", "éèüßñÅàçøſK", "e\u0301a\u0308o\u0323\u0302\u0344\u0958", "абвгдЖЗИ", "αβγδΩ",
             "你好世界。，", "한국어각\u1100\u1161\u11a8", "กำลังใจ", "العربية", "हिन्दी", "😀🦙👩‍👩‍👧🇩🇪", "\x00\x01\x7f", "𝒜𐍈"]
PHRASES = ["'s", "'S", "'ll", "'LL", "'ve", "'Re", "'ſ", "'d", " 't", "don't", "<think>", "</think>", "<answer>happy</answer>", "high pitch",
           " \n \n x", "\r\n\r\n", "   ", "<|im_end|>", "<|im_start|>user\n", "<|AUDIO|>", "<|audio_bos|>", "<|audio_", "<tool_call>", "</tool_call>",
           "<|endoftext|>", "The speaker's", "naïve café", "1,234.5", "http://a.b/c?d=e&f", "__init__", "\t\tif (x) {\n"]


SENTENCES = ["Wie geht es Ihnen? Straße, Grüße.", "¿Cómo está usted? ¡Qué alegría!", "Ça va très bien, merci. L'été à Nîmes", "Как дела? Всё хорошо.",
             "今天天气很好，我很高兴。", "今日はとても嬉しいです。カタカナ", "오늘은 기분이 좋아요.", "كيف حالك؟ أنا بخير", "מה שלומך? טוב מאוד", "आप कैसे हैं? मैं ठीक हूँ।",
             "สวัสดีครับ วันนี้ดีใจมาก", "Xin chào, bạn khỏe không?", "Πώς είσαι; Πολύ καλά.", "როგორ ხარ?", "Ինչպե՞ս ես", "እንዴት ነህ?", "ဘယ်လိုလဲ", "கண்டேன் தமிழ்", "ආයුබෝවන්",
             "İstanbul'da güneş ılık", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "ᚠᛇᚻ᛫ᛒᛦᚦ", "𐌰𐌱𐌲", "ꙮ ѿ"]
# Planes 0 to 2 and the edges of the rest; half of the draws below U+3000, where most scripts are.
RANGES = [(0x80, 0x3000), (0x80, 0x3000), (0x3000, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000), (0x20000, 0x30000), (0xE0000, 0x110000)]


def random_text(rng):
    parts = []
    for _ in range(rng.randrange(1, 9)):
        choice = rng.random()
        if choice < 0.3:
            parts.append(rng.choice(PHRASES))
        elif choice < 0.4:
            sentence = rng.choice(SENTENCES)
            parts.append(sentence if rng.random() < 0.5 else unicodedata.normalize("NFD", sentence[rng.randrange(len(sentence)):]))
        elif choice < 0.5:
            begin, end = rng.choice(RANGES)
            parts.append("".join(chr(rng.randrange(begin, end)) for _ in range(rng.randrange(1, 5))))
        else:
            alphabet = rng.choice(ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 7))))
    return "".join(parts)


def vectors(tokenizer, count, seed):
    rng = random.Random(seed)
    rows = []
    size = tokenizer.get_vocab_size()
    for _ in range(count):
        text = random_text(rng)
        tokenizer.encode_special_tokens = False
        with_special = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        # Arbitrary ids: incomplete UTF-8, control tokens in the middle of it, ids outside the vocabulary.
        odd = [rng.randrange(size + 3) if rng.random() < 0.5 else rng.randrange(256) for _ in range(rng.randrange(6))]
        if rng.random() < 0.3:
            odd.insert(rng.randrange(len(odd) + 1), tokenizer.token_to_id("<|im_end|>") or 0)
        rows.append({"text": text, "ids": with_special, "plain_ids": plain if plain != with_special else None, "odd": odd,
                     "decoded": tokenizer.decode(odd, skip_special_tokens=False),
                     "decoded_skip": tokenizer.decode(odd, skip_special_tokens=True)})
    return rows


def write_rows(name, rows, **extra):
    body = ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows)
    head = json.dumps({"versions": VERSIONS, **extra})[:-1]
    (OUT / name).write_text(f'{head}, "rows": [\n{body}\n]}}\n')


def make_corpus():
    lines = list(corpus_lines(random.Random(5)))
    (OUT / "corpus.json").write_text(json.dumps(lines, indent=0))
    tokenizer = qwen_pipeline(models.BPE())
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=256 + MERGES, min_frequency=2, special_tokens=[], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    (OUT / "hf_merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


CHATS = [
    [{"role": "user", "content": "What is the emotion?"}],
    [{"role": "system", "content": "Answer in <think> and <answer>."}, {"role": "user", "content": [3, "What is it?"]}],
    [{"role": "user", "content": ["Compare ", 2, " with\n", 4, ""]}, {"role": "assistant", "content": "\n\nThe first.  "},
     {"role": "user", "content": "\n  Why?"}],
    [{"role": "user", "content": [1]}, {"role": "assistant", "content": "<think>High pitch.</think><answer>happy</answer>"}],
    [{"role": "system", "content": ""}, {"role": "user", "content": "e\u0301 caf\u00e9 \U0001f600"}, {"role": "assistant", "content": ""}],
]


def chat_rows(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for chat in CHATS:
        counts, messages = [], []
        for message in chat:
            content = message["content"]
            if isinstance(content, list):
                counts += [item for item in content if isinstance(item, int)]
                content = [{"type": "audio", "audio": "a.wav"} if isinstance(item, int) else {"type": "text", "text": item}
                           for item in content]
            messages.append({"role": message["role"], "content": content})
        for prompt in (False, True):
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            pieces = text.split("<|AUDIO|>")
            assert len(pieces) == len(counts) + 1
            text = "".join(piece + "<|AUDIO|>" * n for piece, n in zip(pieces, counts + [0]))
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            yield {"messages": chat, "add_generation_prompt": prompt, "ids": ids}


def make_vectors(trained, count):
    tiny = OUT / "tiny"
    if trained.resolve() != tiny.resolve():
        shutil.copytree(trained, tiny, dirs_exist_ok=True)
    fast = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(tiny)
    rows = vectors(fast, count, 7)
    for row in rows:  # transformers builds its own pipeline for this class; it must agree with the file
        assert auto(row["text"], add_special_tokens=False)["input_ids"] == row["ids"], row
        assert auto(row["text"], add_special_tokens=False, split_special_tokens=True)["input_ids"] == (row["plain_ids"] or row["ids"]), row
    write_rows("trained.vectors.json", rows)
    write_rows("chat.json", list(chat_rows(tiny)))


def make_qwen(vocab_dir, count):
    tokenizer = qwen_pipeline(models.BPE.from_file(str(vocab_dir / "vocab.json"), str(vocab_dir / "merges.txt")))
    write_rows("qwen2.vectors.json", vectors(tokenizer, count, 8))


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    count = int(args[1]) if len(args) > 1 else 300
    {"corpus": make_corpus, "vectors": lambda: make_vectors(Path(args[0]), count),
     "qwen": lambda: make_qwen(Path(args[0]), count)}[command]()
