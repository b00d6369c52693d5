"""Writes answers.json: normalised answers from Python's own Unicode tables.

Run by hand:  python generate_answers.py > answers.json   (Python 3.11, Unicode 14)

A canonical caseless match (Unicode D145): NFD(casefold(NFD(text))), white space trimmed and collapsed by str.split().
The strings hold characters whose folding has not changed since Unicode 6.
"""

import json
import unicodedata

TEXTS = [
    "happy", "  Happy\n", "CONTEMPT   or\tDisgust", "STRASSE", "straße", "Straẞe", "İstanbul", "ΣΊΣΥΦΟΣ", "Σίσυφος",
    "caf\u00e9", "cafe\u0301", "CAFE\u0301", "\u00a0wütend\u2003", "WU\u0308TEND", "高兴", " 悲しい ", "ﬁne", "ДУЖЕ радий",
    "a\u3000b", "x\u2028y", "a\u200bb", "ʼn", "Ǆ ǅ ǆ", "Å \u212b", "", " \n\t ", "😀 Happy", "e\u0323\u0302", "\u1ec7", "한국어",
]


def normalize(text: str) -> str:
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return " ".join(folded.split())


if __name__ == "__main__":
    cases = [{"text": text, "normalized": normalize(text)} for text in TEXTS]
    print(json.dumps({"unicode": unicodedata.unidata_version, "cases": cases}, ensure_ascii=True, indent=1))
