#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

Digest digest_of(const std::vector<BatchGroup>& groups) {
  DigestBuilder builder;
  builder.add("prosodia batch 1").add(uint64_t{groups.size()});
  for (const BatchGroup& group : groups) {
    builder.add(group.group_id.value).add(group.seed).add(group.rollout.policy_version.value);
    builder.add(uint64_t{group.rollout.prompt_token_count}).add(uint64_t{group.rollout.completions.size()});
    for (const Completion& completion : group.rollout.completions) {
      builder.add(uint64_t{completion.token_ids.size()});
      builder.add(std::as_bytes(std::span(completion.token_ids))).add(std::as_bytes(std::span(completion.logprobs)));
      builder.add(static_cast<uint64_t>(completion.finish_reason)).add(completion.text);
    }
    builder.add(group.reward.tau).add(group.reward.gate);
    for (const ResponseScore& score : group.reward.responses) {
      builder.add(uint64_t{score.scored}).add(uint64_t{score.present});
      builder.add(static_cast<uint64_t>(score.reasoning_status)).add(score.format).add(score.accuracy);
      for (double criterion : score.criteria) builder.add(criterion);
      builder.add(score.reasoning).add(uint64_t{score.claims}).add(uint64_t{score.true_claims});
      builder.add(score.faithfulness).add(score.total);
    }
  }
  return builder.finish();
}

}  // namespace prosodia::protocol
