// The rollout worker: leases of prompts in, sampled groups with log-probs out.
//
//   waits for            does                                              when that fails
//   a lease              queues it; several groups run in the engine      –
//   the lease's weights  when nothing runs with other weights: fetches     server silent or version no longer served:
//                        the version, checks its digest, loads in place    reports all leases of that version and
//                                                                          endpoint as failed, to be granted anew;
//                                                                          damaged bytes: tries again with backoff
//   the lease's row      parses and encodes it                             reports the lease as failed
//   the engine           one token a row, then reports progress            –
//   a cancelled lease    drops it; the engine's rows are free at once      –
//   a finished group     sends it; WorkerClient keeps it until acked       –
//
// Groups of one step() never mix weight versions: other versions wait until the engine is empty. A worker killed at any
// moment loses nothing: the lease expires and the same tokens are drawn elsewhere.
//
// Thread rule: runs in the calling thread. Failure rule: returns when the coordinator says Shutdown (its exit code as
// Status), when `stop_requested`, when the coordinator is lost (kUnavailable) or the model folder cannot be used.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>

#include "data/base/status.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/protocol/worker_client.h"
#include "workers/model/freeze.h"
#include "workers/model/load.h"
#include "workers/rollout/engine.h"

namespace prosodia {

struct RolloutWorkerOptions {
  std::filesystem::path model_dir;    // the initial model; every version has its shapes
  std::filesystem::path dataset_dir;  // what relative audio paths of a row are relative to
  ModelOptions model;
  FreezeSpec freeze;        // the learner's: what it freezes does not travel
  SamplingParams sampling;  // stop_ids and suppressed_ids are filled in when empty
  EngineOptions engine;
  protocol::CredentialsPtr credentials;               // for the learner's weights port; nullptr = plaintext
  std::chrono::milliseconds weights_timeout{10'000};  // of silence from the weights server; then leases are given back
  std::chrono::milliseconds retry_min{100};           // pause before the second try, doubling …
  std::chrono::milliseconds retry_max{5'000};         // … up to this
  std::function<bool()> stop_requested = [] { return false; };  // polled between steps
  TraceWriter* trace = nullptr;                                 // of the calling thread; null = none
};

Status run_rollout_worker(const RolloutWorkerOptions& options, protocol::WorkerClient& client);

}  // namespace prosodia
