"""Writes chat_masks.json: which tokens of a conversation transformers counts as the assistant's.

Run by hand (versions: requirements.txt beside this file):  python generate_masks.py   (reads tiny/, writes beside this file)

The template is the plain chat format with transformers' own {% generation %} marks around what the assistant says and its
<|im_end|>; apply_chat_template(return_assistant_tokens_mask=True) turns them into token masks.
"""

import json
import pathlib

import tokenizers
import transformers

HERE = pathlib.Path(__file__).parent
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
)
turn = lambda role, content: {"role": role, "content": content}
SYSTEM = turn("system", "You are a helpful assistant.")
CHATS = [
    [SYSTEM, turn("user", "What is the emotion?"), turn("assistant", "sad")],
    [SYSTEM, turn("user", "Which emotion?"), turn("assistant", "sad"), turn("user", "Sure?"), turn("assistant", "yes, very sad.")],
    [SYSTEM, turn("assistant", "Hello."), turn("user", "Why?"), turn("user", "And how?"), turn("assistant", "<think>low pitch</think>\n<answer>sad</answer>")],
    [turn("system", "Be brief."), turn("user", "q"), turn("assistant", ""), turn("user", "again"), turn("assistant", "Größe, naïve — 你好")],
    [SYSTEM, turn("user", "no answer yet")],
    [SYSTEM, turn("user", "q"), turn("assistant", " with a space, and a break at the end\n"), turn("user", "ok")],
]


def main():
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / "tiny" / "tokenizer.json"))
    rows = []
    for chat in CHATS:
        out = tokenizer.apply_chat_template(
            chat, chat_template=TEMPLATE, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        rows.append({"messages": chat, "ids": out["input_ids"], "mask": out["assistant_masks"]})
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / "chat_masks.json").write_text(f'{{"versions": {json.dumps(versions)}, "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
