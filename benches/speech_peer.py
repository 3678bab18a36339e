"""What `speech.rs` compares with: faster-whisper, greedily, in single precision as ours.

speech_peer.py MODEL FOLDER THREADS ROUNDS: writes the median of the seconds, a space, and the text. FOLDER has the sound.
"""
import json
import os
import statistics
import sys
import time

import numpy
from faster_whisper import WhisperModel

model, folder, threads, rounds = sys.argv[1:5]
for name in ("model.bin", "config.json", "tokenizer.json"):
    os.symlink(os.path.join(model, name), os.path.join(folder, name))
# The package of the weights leaves the list of tokens out; the tokenizer has it, but for the marks of time.
with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as file:
    tokenizer = json.load(file)
ids = {number: token for token, number in tokenizer["model"]["vocab"].items()}
ids.update({token["id"]: token["content"] for token in tokenizer["added_tokens"]})
tokens = [ids.get(number, f"<|unused{number}|>") for number in range(51_864)]
with open(os.path.join(folder, "vocabulary.json"), "w", encoding="utf-8") as file:
    json.dump(tokens, file)

sound = numpy.fromfile(os.path.join(folder, "sound.f32"), dtype="<f4")
whisper = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=int(threads), local_files_only=True)
times, text = [], ""
for turn in range(int(rounds) + 1):
    since = time.monotonic()
    segments, _ = whisper.transcribe(
        sound, beam_size=1, language="en", temperature=0.0, condition_on_previous_text=False
    )
    text = " ".join(segment.text.strip() for segment in segments)
    if turn:
        times.append(time.monotonic() - since)
print(statistics.median(times), text)
