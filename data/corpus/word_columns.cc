#include "data/corpus/word_columns.h"

namespace prosodia {
namespace {

struct WordFloatColumn {
  const char* name;
  float Word::*field;
};
constexpr WordFloatColumn kFloatColumns[] = {{"words/start_seconds", &Word::start_seconds},
                                             {"words/end_seconds", &Word::end_seconds}};
struct WordFlagColumn {
  const char* name;
  bool Word::*field;
};
constexpr WordFlagColumn kFlagColumns[] = {{"words/stressed", &Word::stressed},
                                           {"words/is_estimated", &Word::is_estimated}};

// Every utterance's words in one row.
Result<std::vector<Word>> read_flat(const hdf5::Handle& file) {
  PROSODIA_ASSIGN(const hdf5::Handle texts, hdf5::open_dataset(file, "words/text"));
  PROSODIA_ASSIGN(const uint64_t count, hdf5::length(texts));
  PROSODIA_ASSIGN(std::vector<std::string> text, hdf5::read_strings(file, "words/text", count));
  std::vector<Word> flat(count);
  for (uint64_t i = 0; i < count; ++i) flat[i].text = std::move(text[i]);
  for (const WordFloatColumn& column : kFloatColumns) {
    PROSODIA_ASSIGN(const std::vector<float> values, hdf5::read_column<float>(file, column.name, count));
    for (uint64_t i = 0; i < count; ++i) flat[i].*column.field = values[i];
  }
  for (const WordFlagColumn& column : kFlagColumns) {
    PROSODIA_ASSIGN(const std::vector<uint8_t> values, hdf5::read_column<uint8_t>(file, column.name, count));
    for (uint64_t i = 0; i < count; ++i) flat[i].*column.field = values[i] != 0;
  }
  return flat;
}

}  // namespace

Status write_words(const hdf5::Handle& file, std::span<const UtteranceInfo> infos) {
  std::vector<const Word*> flat;
  std::vector<uint64_t> offsets{0};
  for (const UtteranceInfo& info : infos) {
    for (const Word& word : info.words) flat.push_back(&word);
    offsets.push_back(flat.size());
  }
  PROSODIA_TRY(hdf5::make_group(file, "words"));
  PROSODIA_TRY(hdf5::write_column<uint64_t>(file, "words/offsets", offsets));
  std::vector<std::string_view> texts;
  for (const Word* word : flat) texts.push_back(word->text);
  PROSODIA_TRY(hdf5::write_strings(file, "words/text", texts));
  for (const WordFloatColumn& column : kFloatColumns) {
    std::vector<float> values;
    for (const Word* word : flat) values.push_back(word->*column.field);
    PROSODIA_TRY(hdf5::write_column<float>(file, column.name, values));
  }
  for (const WordFlagColumn& column : kFlagColumns) {
    std::vector<uint8_t> values;
    for (const Word* word : flat) values.push_back(word->*column.field ? 1 : 0);
    PROSODIA_TRY(hdf5::write_column<uint8_t>(file, column.name, values));
  }
  return {};
}

Status read_words(const hdf5::Handle& file, std::span<UtteranceInfo> infos) {
  PROSODIA_ASSIGN(const std::vector<uint64_t> offsets,
                  hdf5::read_column<uint64_t>(file, "words/offsets", infos.size() + 1));
  PROSODIA_ASSIGN(std::vector<Word> flat, read_flat(file));
  if (offsets.front() != 0 || offsets.back() != flat.size()) {
    return fail(ErrorCode::kCorruption, "/words/offsets span {} to {}, /words/text has {} rows", offsets.front(),
                offsets.back(), flat.size());
  }
  for (size_t i = 0; i < infos.size(); ++i) {  // all of them before any is used
    if (offsets[i] > offsets[i + 1]) return fail(ErrorCode::kCorruption, "/words/offsets descend at row {}", i);
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    const auto begin = std::make_move_iterator(flat.begin());
    infos[i].words.assign(begin + static_cast<std::ptrdiff_t>(offsets[i]),
                          begin + static_cast<std::ptrdiff_t>(offsets[i + 1]));
  }
  return {};
}

void put_words(ByteWriter& bytes, std::span<const Word> words) {
  bytes.put(static_cast<uint64_t>(words.size()));
  for (const Word& word : words) {
    bytes.put_string(word.text);
    for (const WordFloatColumn& column : kFloatColumns) bytes.put(word.*column.field);
    for (const WordFlagColumn& column : kFlagColumns) bytes.put(static_cast<uint8_t>(word.*column.field));
  }
}

}  // namespace prosodia
