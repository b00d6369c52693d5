#include "workers/reward/rm_evaluation.h"

#include <algorithm>

#include "data/corpus/rm_row.h"

namespace prosodia {
namespace {

constexpr size_t kMaxGroup = 64;  // rows of one audio graded together

Criteria prescribed(const Sample& row) {
  const auto scores = parse_rm_answer(row.messages.back().content, row.origin);  // checked by check_rm_rows
  Criteria criteria{};
  for (size_t j = 0; j < kNumCriteria; ++j) criteria[j] = scores ? scores->at(j) : 0;
  return criteria;
}

// [begin, end) of neighbours with the same audio.
std::vector<std::pair<size_t, size_t>> groups_of(std::span<const Sample> rows) {
  std::vector<std::pair<size_t, size_t>> groups;
  for (size_t begin = 0, end; begin < rows.size(); begin = end) {
    end = begin + 1;
    while (end < rows.size() && end - begin < kMaxGroup && rows[end].audios == rows[begin].audios) ++end;
    groups.emplace_back(begin, end);
  }
  return groups;
}

void grade_group(RmGrader& grader, const Processor& processor, std::span<const Sample> rows,
                 std::span<RmRecord> records) {
  std::vector<ReasoningScore> scores = grade_samples(grader, processor, rows, {});
  for (size_t i = 0; i < scores.size(); ++i) records[i].score = std::move(scores[i]);
}

// What travels: status and grades. The details stay with the rank that graded the row; others say which.
constexpr size_t kFields = 1 + kNumCriteria;

Status share_records(const RmShare& share, const std::vector<uint8_t>& mine, std::vector<RmRecord>& records) {
  std::vector<double> fields(records.size() * kFields, 0);
  for (size_t i = 0; i < records.size(); ++i) {
    if (!mine[i]) continue;
    fields[i * kFields] = static_cast<double>(records[i].score.status);
    std::ranges::copy(records[i].score.criteria, fields.begin() + static_cast<std::ptrdiff_t>(i * kFields + 1));
  }
  PROSODIA_TRY(share.sum(fields));
  for (size_t i = 0; i < records.size(); ++i) {
    if (mine[i]) continue;
    records[i].score.status = static_cast<ScoreStatus>(fields[i * kFields]);
    std::copy_n(fields.begin() + static_cast<std::ptrdiff_t>(i * kFields + 1), kNumCriteria,
                records[i].score.criteria.begin());
    records[i].score.detail = "graded on another rank";
  }
  return {};
}

}  // namespace

Result<PromptStyle> check_rm_rows(std::span<const Sample> rows) {
  const std::string short_words = rm_messages(PromptStyle::kShort, {})[0].content;
  const std::string paper_words = rm_messages(PromptStyle::kPaper, {})[0].content;
  std::optional<PromptStyle> style;
  for (const Sample& row : rows) {
    const auto bad = [&](std::string_view what) {
      return fail(ErrorCode::kInvalidInput,
                  "{}: {}. Next: make reward-model rows with `prosodia data build` (rm.sft.jsonl, rm.eval.jsonl)",
                  row.origin, what);
    };
    if (!row.ends_with_assistant()) return bad("no assistant turn with the four grades");
    const auto scores = parse_rm_answer(row.messages.back().content, row.origin);
    if (!scores) return bad("its answer is no reward model's (" + scores.error().message + ")");
    const std::string& system = row.messages.front().content;
    const bool is_short = system == short_words;
    if (row.messages.front().role != "system" || (!is_short && system != paper_words))
      return bad("its system message is not a reward model's instruction");
    const PromptStyle found = is_short ? PromptStyle::kShort : PromptStyle::kPaper;
    if (style && *style != found) return bad("its prompt style differs from the rows before");
    style = found;
  }
  if (!style) return fail(ErrorCode::kInvalidInput, "no reward-model rows");
  return *style;
}

Result<std::vector<RmRecord>> grade_rm_rows(RmGrader& grader, const Processor& processor, std::span<const Sample> rows,
                                            const RmShare& share, const std::function<bool()>& stop_requested) {
  std::vector<RmRecord> records(rows.size());
  std::vector<uint8_t> mine(rows.size(), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    records[i].id = rows[i].origin;
    records[i].prescribed = prescribed(rows[i]);
  }
  const auto groups = groups_of(rows);
  double stopped = 0;
  for (size_t g = static_cast<size_t>(share.rank); g < groups.size(); g += static_cast<size_t>(share.size)) {
    if (stop_requested()) {
      stopped = 1;
      break;
    }
    const auto [begin, end] = groups[g];
    grade_group(grader, processor, rows.subspan(begin, end - begin), std::span(records).subspan(begin, end - begin));
    std::fill(mine.begin() + static_cast<std::ptrdiff_t>(begin), mine.begin() + static_cast<std::ptrdiff_t>(end), 1);
    share.on_progress(end, rows.size());
  }
  PROSODIA_TRY(share.sum(std::span(&stopped, 1)));
  if (stopped > 0) return fail(ErrorCode::kInterrupted, "stopped while grading; nothing was written");
  PROSODIA_TRY(share_records(share, mine, records));
  return records;
}

}  // namespace prosodia
