"""TensorBoard as the judge of our event files.

    python tensorboard_events.py generate > events.hex    # the bytes TensorBoard's own classes make of some events
    python tensorboard_events.py read RUN                 # RUN's event files against RUN/metrics.jsonl, by EventAccumulator

`generate` is what tests/unit/monitor/event_file_test.cc compares with. `read` fails when a point is missing, there twice
(after a resume), or differs; it also wants text, histograms and, with --audio, clips.
"""
import argparse
import glob
import json
import math
import struct
import sys
import tempfile

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

CLIP = [0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 0.25]
RATE = 16000


def wav(samples, rate):
    data = b"".join(struct.pack("<h", round(max(-1.0, min(1.0, s)) * 32767)) for s in samples)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return head + b"data" + struct.pack("<I", len(data)) + data


def generate():
    events = [event_pb2.Event(wall_time=1234.5, file_version="brain.Event:2"),
              event_pb2.Event(wall_time=1234.5, step=7, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))]
    audio = summary_pb2.Summary.Audio(sample_rate=RATE, num_channels=1, length_frames=len(CLIP),
                                      encoded_audio_string=wav(CLIP, RATE), content_type="audio/wav")
    events.append(event_pb2.Event(wall_time=1236, step=301,
                                  summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="clip", audio=audio)])))
    with tempfile.NamedTemporaryFile() as file:
        writer = RecordWriter(open(file.name, "wb"))
        for event in events:
            writer.write(event.SerializeToString())
        writer.close()
        print(open(file.name, "rb").read().hex())


def read(run, audio):
    accumulator = event_accumulator.EventAccumulator(run, size_guidance={
        event_accumulator.SCALARS: 0, event_accumulator.HISTOGRAMS: 0, event_accumulator.AUDIO: 0, event_accumulator.TENSORS: 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    scalars = {tag: accumulator.Scalars(tag) for tag in tags["scalars"]}
    compared = 0
    for line in open(f"{run}/metrics.jsonl"):
        row = json.loads(line)
        step = row.pop("step")
        row.pop("total_steps", None), row.pop("wall_time", None)
        for name, value in row.items():
            found = [point.value for point in scalars.get(name, []) if point.step == step]
            if len(found) != 1:
                sys.exit(f"{name} at step {step}: {len(found)} points")
            if value is not None and not math.isclose(found[0], value, rel_tol=1e-6, abs_tol=1e-30):
                sys.exit(f"{name} at step {step}: {found[0]} in TensorBoard, {value} in metrics.jsonl")
            compared += 1
    for tag in ("distribution/reward", "distribution/advantage", "distribution/completion_length"):
        if tag not in tags["histograms"]:
            sys.exit(f"no histogram {tag}; there are {tags['histograms']}")
    if "completions/sample" not in tags["tensors"]:
        sys.exit(f"no text completions/sample; there are {tags['tensors']}")
    if audio:
        for clip in accumulator.Audio("completions/sample_audio"):
            if clip.content_type != "audio/wav" or clip.sample_rate != RATE or clip.length_frames < 1:
                sys.exit(f"odd clip at step {clip.step}")
            if clip.encoded_audio_string[:4] != b"RIFF" or len(clip.encoded_audio_string) != 44 + 2 * clip.length_frames:
                sys.exit(f"clip at step {clip.step} is no WAV")
    files = len(glob.glob(f"{run}/events.out.tfevents.*"))
    print(f"TensorBoard reads {compared} points of {len(scalars)} curves from {files} file(s), each once")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["generate", "read"])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--audio", action="store_true")
    arguments = parser.parse_args()
    generate() if arguments.action == "generate" else read(arguments.run, arguments.audio)
