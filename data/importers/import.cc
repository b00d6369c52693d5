#include "data/importers/import.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "data/audio/clip.h"
#include "data/corpus/ordered_parallel.h"
#include "data/importers/partial_import.h"
#include "data/importers/prepared_plan.h"
#include "data/importers/release_tree.h"
#include "data/prosody/speech_frames.h"
#include "data/store/atomic_file.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

// A repository that was cloned without its large files has this text in place of each.
bool is_lfs_pointer(const fs::path& path) {
  constexpr std::string_view kStart = "version https://git-lfs";
  std::string start(kStart.size(), '\0');
  std::ifstream(path, std::ios::binary).read(start.data(), static_cast<std::streamsize>(start.size()));
  return start == kStart;
}

DecodedFile decode(const fs::path& path) {
  DecodedFile decoded;
  const auto clip = read_audio_file(path);
  if (!clip) {
    decoded.problem =
        is_lfs_pointer(path) ? "a Git LFS pointer, not the sound: run git lfs pull" : clip.error().message;
    const std::string prefix = path.string() + ": ";  // the report names the file itself
    if (decoded.problem.starts_with(prefix)) decoded.problem.erase(0, prefix.size());
  } else if (clip->seconds() < kMinImportSeconds) {
    decoded.problem = fmt::format("too short: {:.3f} s", clip->seconds());
  } else if (find_speech(*clip).active_count == 0) {
    decoded.problem = fmt::format("silent: nothing above {} dBFS in {:.1f} s", kSilenceDbfs, clip->seconds());
  } else {
    decoded.samples = to_pcm16(clip->samples);
  }
  return decoded;
}

// A killed import's unfinished corpus; nobody else writes here while the journal is locked.
Status remove_leftovers(const fs::path& corpus) {
  FileSystem& files = posix_file_system();
  PROSODIA_ASSIGN(const auto entries, files.list_dir(corpus.parent_path()));
  for (const DirEntry& entry : entries) {
    if (entry.name.starts_with(corpus.filename().string()))
      PROSODIA_TRY(files.remove(corpus.parent_path() / entry.name));
  }
  return {};
}

// Takes decoded files in the plan's order into the corpus and the report.
class Assembly {
 public:
  Assembly(const PreparedPlan& plan, fs::path corpus, ImportReport& report)
      : plan_(plan), corpus_(std::move(corpus)), report_(report), known_problems_(report.problems.size()) {}

  // Forgets everything.
  Status reset() {
    writer_.reset();  // removes its file
    next_ = 0;
    report_.imported = 0;
    report_.audio_seconds = 0;
    report_.problems.resize(known_problems_);
    report_.splits = {};
    speakers_.clear();
    return {};
  }

  Status add(DecodedFile file) {
    const PlannedUtterance& planned = plan_.utterances[next_++];
    if (!file.problem.empty()) {
      report_.problems.push_back({shown_path(planned.audio, report_.root), std::move(file.problem)});
      return {};
    }
    if (writer_ == nullptr) {  // not before the folder is locked
      PROSODIA_TRY(remove_leftovers(corpus_));
      PROSODIA_ASSIGN(writer_, CorpusWriter::create(corpus_, kSpeechRateHz, plan_.description));
    }
    Utterance utterance{planned.info, {}};
    for (const int16_t sample : file.samples) utterance.audio.samples.push_back(static_cast<float>(sample) / 32768.0f);
    PROSODIA_TRY(writer_->append(utterance));
    ++report_.imported;
    report_.audio_seconds += utterance.audio.seconds();
    const auto name = std::find(kSplitNames.begin(), kSplitNames.end(), planned.info.split);
    ImportReport::Split& split = report_.splits[static_cast<size_t>(name - kSplitNames.begin())];
    ++split.utterances;
    speakers_[planned.info.split].insert(planned.info.speaker);
    return {};
  }

  void complete_report() {
    for (size_t i = 0; i < kSplitNames.size(); ++i) {
      for (const std::string& speaker : speakers_[std::string(kSplitNames[i])]) {
        if (!speaker.empty()) report_.splits[i].speakers.push_back(speaker);
      }
    }
    std::stable_sort(report_.problems.begin(), report_.problems.end(),
                     [](const ImportProblem& a, const ImportProblem& b) { return a.file < b.file; });
  }
  Status write_corpus() { return writer_->finish(); }  // at least one utterance was imported

 private:
  const PreparedPlan& plan_;
  fs::path corpus_;
  ImportReport& report_;
  size_t known_problems_, next_ = 0;
  std::map<std::string, std::set<std::string>> speakers_;
  std::unique_ptr<CorpusWriter> writer_;
};

Status decode_rest(const PreparedPlan& plan, const ImportOptions& options, PartialImport& partial, Assembly& assembly) {
  const size_t total = plan.utterances.size(), begin = partial.size();
  const int jobs = thread_count(options.jobs);
  const Status status = ordered_parallel(
      total - begin, jobs, static_cast<size_t>(jobs) * 4,
      [&](size_t i) -> Result<DecodedFile> { return decode(plan.utterances[begin + i].audio); },
      [&](size_t i, DecodedFile file) -> Status {
        PROSODIA_TRY(partial.add(file));
        PROSODIA_TRY(assembly.add(std::move(file)));
        if (options.on_progress) options.on_progress(begin + i + 1, total);
        if (!options.stop_requested || !options.stop_requested()) return {};
        return fail(ErrorCode::kInterrupted, "stopped after {} of {} files; the same command goes on from there",
                    begin + i + 1, total);
      });
  if (const Status synced = partial.sync(); !synced) return synced;
  return status;
}

// The error for a result that is not written as a corpus, after the report file, which says why in full.
Status refuse(const ImportReport& report, size_t shown, const std::string& why) {
  PROSODIA_TRY(write_file_atomic(posix_file_system(), report.json, report.to_json()));
  std::string text = why + "\n" + report.to_text(shown);
  text.pop_back();  // its line break
  return fail(ErrorCode::kInvalidInput, "{}", text);
}

Status check_strictness(const ImportReport& report, const ImportOptions& options) {
  if (!options.strict || report.problems.empty()) return {};
  return refuse(report, 20, fmt::format("--strict and bad files: {}; no corpus is written", report.problems.size()));
}

Status refuse_nothing(const ImportReport& report, const Importer& importer) {
  return refuse(report, 5,
                fmt::format("nothing could be imported from {}; expected {}", report.root.string(), importer.layout));
}

Status check_options(const ImportOptions& options) {
  std::error_code ignored;
  if (options.out.empty()) return fail(ErrorCode::kUsage, "--out is missing: the corpus file to write");
  if (fs::is_directory(options.out, ignored)) {
    return fail(ErrorCode::kUsage, "--out {} is a folder; expected a file to write", options.out.string());
  }
  const bool file_root = options.format == "jsonl" && fs::is_regular_file(options.root, ignored);
  if (!file_root && !fs::is_directory(options.root, ignored)) {
    return fail(ErrorCode::kInvalidInput, "--root {}: no such folder", options.root.string());
  }
  return {};
}

}  // namespace

Result<ImportReport> import_corpus(const ImportOptions& options) {
  const Importer* importer = find_importer(options.format);
  if (importer == nullptr) return fail(ErrorCode::kUsage, "--format '{}' is not known", options.format);
  PROSODIA_TRY(check_options(options));
  ImportReport report;
  report.format = options.format;
  report.root = options.root;
  report.out = options.out;
  report.json = options.out.string() + ".import.json";
  PROSODIA_ASSIGN(const PreparedPlan plan, prepare_plan(*importer, options, report));
  if (plan.utterances.empty()) return tl::unexpected(refuse_nothing(report, *importer).error());
  PROSODIA_TRY(check_strictness(report, options));

  const fs::path folder = options.out.string() + ".partial";
  Assembly assembly(plan, folder / "corpus.h5", report);
  PROSODIA_ASSIGN(const auto partial,
                  PartialImport::open(
                      folder, plan.digest, [&](DecodedFile file) { return assembly.add(std::move(file)); },
                      [&] { return assembly.reset(); }));
  report.resumed = partial->size();
  if (!partial->note().empty()) report.notes.push_back(partial->note());
  PROSODIA_TRY(decode_rest(plan, options, *partial, assembly));
  assembly.complete_report();
  if (report.imported == 0) {
    PROSODIA_TRY(partial->remove());
    return tl::unexpected(refuse_nothing(report, *importer).error());
  }
  PROSODIA_TRY(check_strictness(report, options));

  FileSystem& files = posix_file_system();
  PROSODIA_TRY(assembly.write_corpus());
  PROSODIA_TRY(files.rename(folder / "corpus.h5", options.out));
  PROSODIA_TRY(write_file_atomic(files, report.json, report.to_json()));  // syncs the folder of both
  PROSODIA_TRY(partial->remove());
  return report;
}

}  // namespace prosodia
