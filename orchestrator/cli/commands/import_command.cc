// prosodia data import
#include <fmt/core.h>

#include "data/base/number.h"
#include "data/importers/import.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/monitor/progress_bar.h"

namespace prosodia::cli {
namespace {

Result<SplitOptions> split_options(const Options& options) {
  SplitOptions splits;
  const auto shares = options.list("split_shares");
  if (shares.size() != splits.shares.size()) {
    return fail(ErrorCode::kUsage, "--split_shares '{}': expected three numbers: train,validation,test",
                options.text("split_shares"));
  }
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto share = parse_number(shares[i]);
    if (!share) return fail(ErrorCode::kUsage, "--split_shares: '{}' is no number", shares[i]);
    splits.shares[i] = *share;
  }
  splits.seed = static_cast<uint64_t>(options.integer("split_seed"));
  splits.validation_speakers = options.list("validation_speakers");
  splits.test_speakers = options.list("test_speakers");
  return splits;
}

}  // namespace

Result<int> run_data_import(const Options& options, const CommandContext& context) {
  ImportOptions import;
  PROSODIA_ASSIGN(import.format, options.required("format"));
  PROSODIA_ASSIGN(import.root, options.required("root"));
  PROSODIA_ASSIGN(import.out, options.required("out"));
  import.label_map = options.list("label_map");
  import.crema_d_labels = options.text("crema_d_labels") == "voted" ? CremaDLabels::kVoted : CremaDLabels::kIntended;
  import.transcripts = options.text("transcripts");
  PROSODIA_ASSIGN(import.splits, split_options(options));
  import.jobs = static_cast<int>(options.integer("jobs"));
  import.strict = options.flag("strict");
  import.stop_requested = [&context] { return context.stop.load();
};
ProgressBar bar("decoding");
import.on_progress = [&bar](size_t done, size_t total) { bar.show(done, total);
};  // namespace prosodia::cli
PROSODIA_ASSIGN(const ImportReport report, import_corpus(import));
fmt::print("{}wrote {} and {}. Next: prosodia data annotate --corpus {}\n",
           report.to_text(static_cast<size_t>(options.integer("show_problems"))), report.out.string(),
           report.json.string(), report.out.string());
return 0;
}

}  // namespace prosodia::cli
