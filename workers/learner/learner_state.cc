#include "workers/learner/learner_state.h"

#include <ATen/ATen.h>

#include "workers/learner/trainable.h"
#include "workers/model/weights.h"

namespace prosodia {

Result<std::unique_ptr<LearnerState>> LearnerState::load(const LearnerOptions& options, Collective& collective,
                                                         const std::filesystem::path& from) {
  std::unique_ptr<LearnerState> state(new LearnerState(options, collective));
  PROSODIA_TRY(collective.agree(state->open(from)));
  if (from != options.model_dir) PROSODIA_TRY(state->restore(from));
  if (collective.rank() == 0) state->packed_ = protocol::make_snapshot(state->trainer_->weights().pack());
  return state;
}

Status LearnerState::open(const std::filesystem::path& from) {
  PROSODIA_ASSIGN(processor_, Processor::load(options_.model_dir, std::make_shared<AudioStore>(), options_.processor));
  PROSODIA_ASSIGN(policy_, load_model(options_.model_dir, options_.model));
  PROSODIA_ASSIGN(const PolicyWeights weights, PolicyWeights::create(*policy_, options_.grpo.freeze));
  if (options_.grpo.loss.beta != 0) PROSODIA_TRY(open_reference(weights));
  if (from != options_.model_dir) PROSODIA_TRY(policy_->load_values(from, weights.changing()));
  PROSODIA_ASSIGN(trainer_, GrpoTrainer::create(options_.grpo, *policy_, reference_.get(), *processor_, collective_));
  return {};
}

// The initial policy is its own reference; what does not train is held once. With a fresh adapter this is the base with
// the adapter off.
Status LearnerState::open_reference(const PolicyWeights& weights) {
  if (options_.reference_dir.empty() || options_.reference_dir == options_.model_dir) {
    reference_ = policy_->snapshot(weights.changing());
    return {};
  }
  const ModelOptions plain{.dtype = options_.model.dtype, .device = options_.model.device};
  PROSODIA_ASSIGN(reference_, load_model(options_.reference_dir, plain));
  return {};
}

Status LearnerState::restore(const std::filesystem::path& from) {
  PROSODIA_ASSIGN(TrainingState state, load_training_state(from, collective_, trainer_->optimizer()));
  version_ = static_cast<uint64_t>(state.step);
  trainer_->set_num_tokens(state.extra.value("num_tokens", int64_t{0}));
  earlier_ = std::move(state.policy);
  Status status;
  if (collective_.rank() == 0) {
    const Digest digest = digest_weights(trainer_->weights().pack());
    const std::string want = state.extra.value("weights_digest", std::string());
    if (digest.hex() != want)
      status = fail(ErrorCode::kCorruption,
                    "{}: the weights hash to {}, state.json says {}. Next: resume from another "
                    "checkpoint",
                    from.string(), digest.short_hex(), want.substr(0, 12));
  }
  return collective_.agree(status);
}

Result<GrpoOutcome> LearnerState::step(const protocol::StepBatch& batch) {
  if (batch.step.value != version_)
    return fail(ErrorCode::kStale,
                "asked to train step {}, but this learner is at version {}. Next: start it again; it "
                "will be told where to go on from",
                batch.step, version_);
  PROSODIA_ASSIGN(GrpoOutcome outcome, trainer_->step(batch));
  version_ = outcome.new_version;
  packed_ = outcome.packed;
  return outcome;
}

Result<std::filesystem::path> LearnerState::save(CheckpointStore& store, std::map<uint64_t, PackedWeights> policy) {
  TrainingState state;
  state.step = static_cast<int64_t>(version_);
  state.extra = {{"num_tokens", trainer_->num_tokens()}};
  if (collective_.rank() == 0) {
    state.extra["weights_digest"] = packed_->digest.hex();
    state.extra["tensor_crc32c"] = tensor_checksums();  // lets `replay` name the tensors that differ
  }
  policy.erase(version_);
  std::erase_if(policy, [&](const auto& kept) { return kept.first + static_cast<uint64_t>(options_.lag) < version_; });
  state.policy = std::move(policy);
  return save_checkpoint(store, collective_, *policy_, trainer_->optimizer(), state, options_.model_dir,
                         {options_.save_total_limit});
}

Status LearnerState::write_model(const std::filesystem::path& dir) {
  Status status;
  if (collective_.rank() == 0) {
    status = posix_file_system().create_dirs(dir);
    if (status) status = save_policy(*policy_, options_.model_dir, dir);
  }
  return collective_.agree(status);
}

}  // namespace prosodia
