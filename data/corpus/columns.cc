#include "data/corpus/columns.h"

#include "data/base/bytes.h"
#include "data/base/crc32c.h"
#include "data/corpus/word_columns.h"

namespace prosodia {

const std::vector<StringColumn>& string_columns() {
  static const std::vector<StringColumn> kColumns = [] {
    std::vector<StringColumn> columns;
    const auto plain = [&](std::string name, std::string UtteranceInfo::*member) {
      columns.push_back(
          {"utterances/" + std::move(name), [member](UtteranceInfo& u) -> std::string& { return u.*member; }});
    };
    plain("id", &UtteranceInfo::id);
    plain("transcript", &UtteranceInfo::transcript);
    plain("emotion", &UtteranceInfo::emotion);
    plain("source_label", &UtteranceInfo::source_label);
    plain("speaker", &UtteranceInfo::speaker);
    plain("gender", &UtteranceInfo::gender);
    plain("age_group", &UtteranceInfo::age_group);
    plain("language", &UtteranceInfo::language);
    plain("source", &UtteranceInfo::source);
    plain("split", &UtteranceInfo::split);
    plain("extra", &UtteranceInfo::extra);
    for (Attribute attribute : kAttributes) {
      const std::string name(attribute_name(attribute));
      columns.push_back(
          {"controlled/" + name, [attribute](UtteranceInfo& u) -> std::string& { return u.controlled[attribute]; }});
      columns.push_back(
          {"levels/" + name, [attribute](UtteranceInfo& u) -> std::string& { return u.levels[attribute]; }});
    }
    return columns;
  }();
  return kColumns;
}

std::span<const FloatColumn> float_columns() {
  static const std::array<FloatColumn, 7> kColumns = {{
      {"measured/f0_mean_hz", &ProsodyMeasure::f0_mean_hz},
      {"measured/f0_median_hz", &ProsodyMeasure::f0_median_hz},
      {"measured/f0_range_semitones", &ProsodyMeasure::f0_range_semitones},
      {"measured/voiced_ratio", &ProsodyMeasure::voiced_ratio},
      {"measured/energy_dbfs", &ProsodyMeasure::energy_dbfs},
      {"measured/speech_seconds", &ProsodyMeasure::speech_seconds},
      {"measured/syllables_per_second", &ProsodyMeasure::syllables_per_second},
  }};
  return kColumns;
}

uint32_t metadata_crc32c(std::vector<UtteranceInfo>& infos, std::span<const uint64_t> offsets,
                         std::span<const uint32_t> audio_crc32c) {
  ByteWriter bytes;
  bytes.put_array(offsets);
  bytes.put_array(audio_crc32c);
  for (UtteranceInfo& info : infos) {
    for (const StringColumn& column : string_columns()) bytes.put_string(column.field(info));
    for (const FloatColumn& column : float_columns()) {
      const auto& value = info.measured.*column.field;
      bytes.put(static_cast<uint8_t>(value.has_value()));
      bytes.put(value.value_or(0.0f));
    }
    put_words(bytes, info.words);
  }
  return crc32c(bytes.view());
}

}  // namespace prosodia
