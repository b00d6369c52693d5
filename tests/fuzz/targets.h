// Fuzz targets: one function a decoder of bytes that come from a peer, a disk or a user. Input: any bytes. A target
// must return; an abort, a sanitizer report, an uncaught exception or an allocation beyond the limits of scripts/fuzz
// is a bug in what it calls.
//
// Called by libfuzzer_main.cc (one program a target, clang) and replay_test.cc (the stored corpus, every build).
// Adding one: NAME_fuzz.cc, a line here, in replay_test.cc and in CMakeLists.txt, seeds in make_corpus.cc.
#pragma once

#include <cstddef>
#include <span>

namespace prosodia::fuzz {

using Input = std::span<const std::byte>;

void fuzz_frame(Input);            // protocol frames as a worker's and as the coordinator's socket receive them
void fuzz_message(Input);          // payloads of every message type
void fuzz_bulk(Input);             // chunks of a weights download
void fuzz_safetensors(Input);      // header and data
void fuzz_model_index(Input);      // model.safetensors.index.json
void fuzz_model_config(Input);     // config.json
void fuzz_dataset(Input);          // JSONL rows
void fuzz_tokenizer(Input);        // tokenizer.json, vocab.json + merges.txt, added tokens
void fuzz_text(Input);             // strings through encode, decode and the word split
void fuzz_audio(Input);            // sound files
void fuzz_corpus(Input);           // HDF5 corpora: shapes, types and values that do not fit together
void fuzz_word_times(Input);       // TextGrid, JSON and CTM word times; transcripts spread over speech
void fuzz_rollout_segment(Input);  // HDF5 rollout segments, likewise
void fuzz_journal(Input);          // journal segments: open, cut, open again
void fuzz_run_recovery(Input);     // journal records through the run's state machine
void fuzz_checkpoint(Input);       // MANIFEST.json
void fuzz_options(Input);          // command lines and config.ini

}  // namespace prosodia::fuzz
