#include "orchestrator/report/claim_marks.h"

#include "data/text/unicode.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

// UTF-16 units before the byte `end`.
size_t utf16_units(std::string_view text, size_t end) {
  size_t units = 0;
  for (size_t at = 0; at < end;) {
    const Utf8Char character = utf8_at(text, at);
    units += character.kind == Utf8Char::kValid && character.code_point > 0xFFFF ? 2 : 1;
    at += character.length;
  }
  return units;
}

}  // namespace

std::string shown_text(std::string_view text) {
  std::string out;
  append_utf8_lossy(text, out);
  return out;
}

void mark_claims(ShownResponse& response, const ProsodyLevels& levels) {
  const std::string_view text = response.sample.response;
  const std::string_view think = reasoning_text(text);
  const auto offset = static_cast<size_t>(think.data() - text.data());
  const std::vector<Claim> claims = parse_claims(think);
  const std::vector<ClaimTruth> truths = judge_claims(claims, levels);
  for (size_t i = 0; i < claims.size(); ++i) {
    const Claim& claim = claims[i];
    response.claims.push_back({utf16_units(text, offset + claim.begin), utf16_units(text, offset + claim.end),
                               truths[i], claim.attribute, claim.level, claim.negated});
  }
  const Faithfulness faithfulness = check_claims(claims, levels);
  response.true_claims = faithfulness.true_claims;
  response.checkable_claims = faithfulness.checkable;
}

}  // namespace prosodia
