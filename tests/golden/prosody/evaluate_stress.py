"""How well stressed words are found where the stress is known: sentences of espeak-ng, plain, with one word in <emphasis>, and with one
word higher, slower and louder; English and German, six voices. Word times come from espeak-ng's own events, and are compared with the
estimated ones. Run by hand in a venv with requirements.txt, after building the target word_stress (needs libespeak-ng.so.1, which the
program espeak-ng brings):

    python evaluate_stress.py WORD_STRESS
"""

import ctypes
import json
import random
import subprocess
import sys
import tempfile

import numpy as np
import soundfile

ENGLISH = ["they moved the old chair away", "the bus leaves at ten today", "she took the first train to town", "we walked down the long road",
           "my brother never reads the newspaper", "the small dog runs behind the house", "he told us about the holiday",
           "you can take those stairs to the garden", "the children play beside the river", "our teacher found the missing letter",
           "I bought seven yellow apples yesterday", "the lady carried a heavy basket home"]
GERMAN = ["das will sie am Mittwoch abgeben", "der Lappen liegt auf dem Eisschrank", "heute abend könnte ich es ihm sagen",
          "sie haben es gerade hochgetragen"]
VOICES = [("en-us", ENGLISH), ("en-gb", ENGLISH), ("en-us+f2", ENGLISH), ("en-us+m3", ENGLISH), ("de", GERMAN), ("de+f2", GERMAN)]
UNSTRESSED = set("the a at to my us can about down am dem der das auf es".split())
STYLES = {"plain": "{}", "emphasis": '<emphasis level="strong">{}</emphasis>',
          "prosody": '<prosody pitch="+40%" rate="80%" volume="+6dB">{}</prosody>'}
WORD_EVENT, LAST_EVENT, SSML_UTF8 = 1, 0, 0x11


class Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8)]


class Espeak:
    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.library.espeak_Initialize(2, 0, None, 0)
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self.callback = callback(self._take)
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, wave, count, events):
        if wave and count > 0:
            self.chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != LAST_EVENT:
            if events[i].type == WORD_EVENT:
                self.starts.append(events[i].audio_position / 1000)
            i += 1
        return 0

    def say(self, ssml, voice, words_per_minute, pitch):
        """Samples and the words' starts in seconds, with the end of the sound behind them."""
        self.chunks, self.starts = [], []
        self.library.espeak_SetVoiceByName(voice.encode())
        self.library.espeak_SetParameter(1, words_per_minute, 0)
        self.library.espeak_SetParameter(3, pitch, 0)
        text = f"<speak>{ssml}</speak>".encode()
        self.library.espeak_Synth(text, len(text) + 1, 0, 1, 0, SSML_UTF8, None, None)
        self.library.espeak_Synchronize()
        wave = np.concatenate(self.chunks).astype(np.float32) / 32768
        end = np.nonzero(np.abs(wave) > 0.02 * np.abs(wave).max())[0][-1] / self.rate
        return wave, self.starts + [float(end)]


def make_cases(folder):
    espeak, cases = Espeak(), []
    for kind, style in STYLES.items():
        for voice, sentences in VOICES:
            for sentence in sentences:
                words = sentence.split()
                target = random.choice([i for i, w in enumerate(words) if w.lower() not in UNSTRESSED])
                ssml = " ".join(style.format(w) if i == target else w for i, w in enumerate(words))
                wave, times = espeak.say(ssml, voice, random.choice([150, 175, 200]), random.choice([35, 50, 65]))
                if len(times) != len(words) + 1:  # espeak-ng speaks some pairs as one word
                    continue
                path = f"{folder}/{len(cases)}.wav"
                soundfile.write(path, wave, espeak.rate)
                cases.append({"audio": path, "transcript": sentence, "language": voice[:2], "times": times, "kind": kind, "target": target})
    return cases


def ask(program, cases, known):
    lines = "".join(json.dumps(dict(case, times=case["times"] if known else None)) + "\n" for case in cases)
    output = subprocess.run([program], input=lines, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [json.loads(line)["words"] for line in output.splitlines()]


def print_times(cases, answers):
    borders, inside = [], []
    for case, words in zip(cases, answers):
        borders += [abs(w[0] - t) for w, t in zip(words[1:], case["times"][1:])]
        inside += [w[0] <= (a + b) / 2 <= w[1] for w, a, b in zip(words, case["times"], case["times"][1:])]
    print(f"estimated borders: off by {np.median(borders):.3f} s (median), {np.mean(borders):.3f} s (mean); "
          f"{100 * np.mean(inside):.0f} % of the words hold the true word's middle")


def print_stress(title, cases, answers):
    for kind in STYLES:
        rows = [(case["target"], words) for case, words in zip(cases, answers) if case["kind"] == kind]
        marks = [[i for i, w in enumerate(words) if w[3]] for _, words in rows]
        text = f"{title:16} {kind:9} {len(rows)} utterances, {np.mean([len(m) for m in marks]):.2f} marks each"
        if kind != "plain":
            hits = sum(target in m for (target, _), m in zip(rows, marks))
            top = np.mean([target == int(np.argmax([w[2] for w in words])) for target, words in rows])
            exact = np.mean([m == [target] for (target, _), m in zip(rows, marks)])
            text += f"; recall {hits / len(rows):.2f}, precision {hits / max(1, sum(map(len, marks))):.2f}, exactly that word {exact:.2f}, "
            text += f"most prominent {top:.2f}"
        print(text)


def main():
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        cases = make_cases(folder)
        known, estimated = ask(sys.argv[1], cases, True), ask(sys.argv[1], cases, False)
    print_times(cases, estimated)
    print_stress("known times", cases, known)
    print_stress("estimated times", cases, estimated)


if __name__ == "__main__":
    main()
