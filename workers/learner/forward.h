// One micro-batch through a model: log-probabilities of its targets. What SFT, the policy and the reference share.
//
// Thread rule: one thread. Failure rule: none beyond the model's.
#pragma once

#include <ATen/core/Tensor.h>

#include "workers/learner/packing.h"
#include "workers/model/audio_cache.h"
#include "workers/model/model.h"

namespace prosodia {

// The hidden states that predict the targets, [R, C]. `cache`: as below.
at::Tensor target_hidden(const Model& model, const MicroBatch& batch, AudioCache* cache);
// log p and entropy of every target, [R]. `cache` is null while the audio tower or projector trains.
ops::TokenLogProbs micro_batch_logprobs(const Model& model, const MicroBatch& batch, double temperature,
                                        bool want_entropy, AudioCache* cache);

}  // namespace prosodia
