#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "data/card/card_stats.h"
#include "data/card/dataset_card.h"
#include "data/card/sample_figure.h"
#include "data/corpus/inspect.h"
#include "tests/unit/card/well_formed.h"
#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A glide from 120 to 240 Hz.
AudioClip glide(double seconds) {
  AudioClip clip;
  double phase = 0;
  for (int i = 0; i < static_cast<int>(seconds * kSpeechRateHz); ++i) {
    const double share = i / (seconds * kSpeechRateHz);
    phase += 2 * M_PI * 120 * (1 + share) / kSpeechRateHz;
    clip.samples.push_back(static_cast<float>(0.2 * std::sin(phase) + 0.1 * std::sin(2 * phase)));
  }
  return clip;
}

Utterance spoken(int index) {
  Utterance utterance = make_utterance(index);
  utterance.audio = glide(0.5 + 0.02 * index);
  return utterance;
}

std::unique_ptr<CorpusReader> corpus_of(const std::filesystem::path& path, const std::vector<Utterance>& utterances) {
  auto writer = CorpusWriter::create(path, kSpeechRateHz, "for a <test> & more");
  EXPECT_TRUE(writer);
  for (const Utterance& utterance : utterances) {
    const auto index = (*writer)->append(utterance);
    EXPECT_TRUE(index) << index.error().message;
  }
  EXPECT_TRUE((*writer)->finish());
  auto reader = CorpusReader::open(path);
  EXPECT_TRUE(reader) << reader.error().message;
  return std::move(*reader);
}

TEST(WellFormedness, TheCheckerSeesFaults) {
  EXPECT_EQ(malformed("<p>a<br>b <b title=\"x>y\">c</b> &lt;</p>"), "");
  EXPECT_NE(malformed("<p><b></p></b>"), "");
  EXPECT_NE(malformed("<p>a & b</p>"), "");
  EXPECT_NE(malformed("<p>"), "");
}

class Card : public ::testing::Test {
 protected:
  std::string page(const std::vector<Utterance>& utterances, int samples = 4) {
    corpus_ = corpus_of(dir_ / "c.h5", utterances);
    const auto html = dataset_card_html(*corpus_, {.samples = samples});
    EXPECT_TRUE(html) << html.error().message;
    return html ? *html : "";
  }
  static size_t count(const std::string& html, const std::string& what) {
    size_t found = 0;
    for (size_t at = 0; (at = html.find(what, at)) != std::string::npos; at += what.size()) ++found;
    return found;
  }
  static std::vector<Utterance> some(int count) {
    std::vector<Utterance> utterances;
    for (int i = 0; i < count; ++i) utterances.push_back(spoken(i));
    return utterances;
  }
  TempDir dir_;
  std::unique_ptr<CorpusReader> corpus_;
};

TEST_F(Card, IsOneWellFormedPageWithoutNetworkOrScript) {
  const std::string html = page(some(9));
  EXPECT_EQ(malformed(html), "");
  EXPECT_THAT(html, StartsWith("<!doctype html>"));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(html, HasSubstr("width=device-width"));
  for (const char* foreign : {"http:", "https:", "//", "<script", "<link", "@import", "url("}) {
    // Base64 may hold "//": look outside of the sounds.
    std::string outside = html;
    for (size_t at; (at = outside.find("src=\"data:")) != std::string::npos;) {
      outside.erase(at, outside.find('"', at + 5) - at + 1);
    }
    EXPECT_THAT(outside, Not(HasSubstr(foreign))) << foreign;
  }
  EXPECT_EQ(count(html, "<audio controls"), 4u);
  EXPECT_EQ(count(html, "class=\"wave\""), 4u);
  for (const char* id : {"counts", "levels", "distributions", "samples", "leakage", "missing"}) {
    EXPECT_EQ(count(html, fmt::format("id=\"{}\"", id)), 1u) << id;
    EXPECT_EQ(count(html, fmt::format("href=\"#{}\"", id)), 1u) << id;
  }
}

TEST_F(Card, HostileTextStaysText) {
  auto utterances = some(3);
  const std::string hostile = "</p><script>alert(\"1\")</script> & 'x' \xE2\x80\xAE";
  for (Utterance& utterance : utterances) {
    utterance.info.transcript = hostile;
    utterance.info.speaker = "<img src=x onerror=alert(1)>";
    utterance.info.source_label = "\"><b>";
    utterance.info.source = "<i>";
  }
  utterances[0].info.split = "train";
  utterances[1].info.split = "test";
  utterances[0].info.words = {{"<b>word", 0, 0.2f, true, true}};
  const std::string html = page(utterances);
  EXPECT_EQ(malformed(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=alert(1)&gt;"));
  EXPECT_THAT(html, HasSubstr("<strong>&lt;b&gt;word</strong>"));
}

// The number in a row of a counts table.
int cell(const std::string& html, const std::string& corner, const std::string& row, size_t column) {
  const size_t table = html.find("<th scope=\"col\">" + corner + "</th>");
  size_t at = html.find("<th scope=\"row\">" + row + "</th>", table);
  for (size_t i = 0; i <= column; ++i) at = html.find("<td>", at) + 4;
  return std::stoi(html.substr(at));
}

TEST_F(Card, ItsCountsAreThoseOfInspect) {
  const std::string html = page(some(11));
  // inspect_text: a table with the emotions as rows and the splits, by name, as columns.
  std::istringstream text(inspect_text(*corpus_));
  std::string line;
  while (std::getline(text, line) && !line.starts_with("emotion")) {
  }
  ASSERT_THAT(line, HasSubstr("test"));
  ASSERT_LT(line.find("test"), line.find("train"));
  int rows = 0;
  for (const std::string emotion : {"contempt or disgust", "happy"}) {
    ASSERT_TRUE(std::getline(text, line));
    ASSERT_THAT(line, StartsWith(emotion));
    std::istringstream numbers(line.substr(emotion.size()));
    int test = 0, train = 0;
    numbers >> test >> train;
    EXPECT_EQ(cell(html, "emotion", emotion, 0), train) << emotion;  // the card begins with train
    EXPECT_EQ(cell(html, "emotion", emotion, 1), test) << emotion;
    ++rows;
  }
  EXPECT_EQ(rows, 2);
  EXPECT_THAT(html, HasSubstr("<div class=\"k\">utterances</div><div class=\"v\">11</div>"));
}

TEST_F(Card, LeakageAndRepeatedAudioAreShown) {
  auto utterances = some(4);
  utterances[0].info.split = "train";
  utterances[1].info.split = "validation";
  utterances[2].info.split = "test";
  utterances[3].info.split = "train";
  utterances[0].info.speaker = utterances[2].info.speaker = "ann";
  utterances[1].info.speaker = "bob";
  utterances[3].info.speaker = "cat";
  for (int i = 0; i < 4; ++i) utterances[static_cast<size_t>(i)].info.transcript = "sentence " + std::to_string(i);
  utterances[2].audio = utterances[3].audio;
  const std::string html = page(utterances);
  const Leakage leakage = split_leakage(*corpus_);
  EXPECT_THAT(leakage.speakers, ElementsAre("ann"));
  EXPECT_THAT(leakage.clips, ElementsAre("u2 (test) = u3 (train)"));
  EXPECT_THAT(html, HasSubstr("<span class=\"bad\">1</span> of the speakers"));
  EXPECT_THAT(html, HasSubstr("<span class=\"good\">none</span> of the sentences"));
  EXPECT_THAT(html, HasSubstr("<li>u2 (test) = u3 (train)</li>"));
  EXPECT_THAT(inspect_text(*corpus_), HasSubstr("1 clips occur in two splits: \"u2 (test) = u3 (train)\""));
}

TEST_F(Card, SamplesAreSpreadOverEmotionsAndBounded) {
  EXPECT_EQ(count(page(some(9), 3), "<figure"), 3u);
  EXPECT_EQ(count(page(some(9), 1000), "<figure"), 9u);
  const std::string none = page(some(9), 0);
  EXPECT_EQ(count(none, "<figure"), 0u);
  EXPECT_EQ(count(none, "#samples"), 0u);
  const std::string two = page(some(9), 2);
  EXPECT_EQ(count(two, "<b>happy</b>"), 1u);
  EXPECT_EQ(count(two, "<b>contempt or disgust</b>"), 1u);
  EXPECT_FALSE(dataset_card_html(*corpus_, {.samples = -1}));
}

TEST_F(Card, MissingValuesAreCounted) {
  auto utterances = some(3);
  utterances[0].info.transcript.clear();
  utterances[1].info.measured.energy_dbfs.reset();
  for (Utterance& utterance : utterances) utterance.info.words.clear();
  corpus_ = corpus_of(dir_ / "c.h5", utterances);
  const auto missing = missing_values(*corpus_);
  const auto of = [&](const std::string& what) {
    const auto found = std::find_if(missing.begin(), missing.end(), [&](const Missing& m) { return m.what == what; });
    return found == missing.end() ? -1 : found->utterances;
  };
  EXPECT_EQ(of("transcript"), 1);
  EXPECT_EQ(of("energy (measured)"), 1);
  EXPECT_EQ(of("words in time"), 3);
  EXPECT_EQ(of("speaker"), 0);
}

TEST_F(Card, IsWrittenWholeAndRepeats) {
  corpus_ = corpus_of(dir_ / "c.h5", some(5));
  ASSERT_TRUE(write_dataset_card(*corpus_, {}, dir_ / "a.html"));
  ASSERT_TRUE(write_dataset_card(*corpus_, {}, dir_ / "b.html"));
  EXPECT_EQ(read_text(dir_ / "a.html"), read_text(dir_ / "b.html"));
  const Status status = write_dataset_card(*corpus_, {}, dir_ / "no/such/folder/a.html");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStorage);
}

// 55 Hz is the bottom of the drawing, 500 Hz its top.
TEST(SampleFigure, TheCurveRisesWithThePitch) {
  const std::vector<float> energy(50, -20.0f);
  std::vector<float> f0(50, 0.0f);
  for (size_t i = 10; i < 40; ++i) f0[i] = 100 + 5 * static_cast<float>(i);
  const std::string svg = waveform_svg(glide(0.5), f0, energy, {});
  const size_t path = svg.find("class=\"f0\" d=\"M");
  ASSERT_NE(path, std::string::npos);
  const std::string d = svg.substr(path, svg.find("\"/>", path) - path);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 1) << "one voiced stretch, one line";
  EXPECT_EQ(std::count(d.begin(), d.end(), 'L'), 29);
  const double first = std::stod(d.substr(d.find(' ', d.find('M')) + 1)), last = std::stod(d.substr(d.rfind(' ') + 1));
  const double height = 190 - 8 - 22;
  EXPECT_NEAR(first, 168 - height * std::log(150 / 55.0) / std::log(500 / 55.0), 0.06);
  EXPECT_NEAR(last, 168 - height * std::log(295 / 55.0) / std::log(500 / 55.0), 0.06);
}

TEST(SampleFigure, TheSoundIsTheClip) {
  const AudioClip clip = glide(0.05);
  const std::string uri = wav_data_uri(clip), prefix = "data:audio/wav;base64,";
  ASSERT_THAT(uri, StartsWith(prefix));
  std::vector<std::byte> wav(uri.size());
  size_t size = 0;
  ASSERT_EQ(sodium_base642bin(reinterpret_cast<unsigned char*>(wav.data()), wav.size(), uri.data() + prefix.size(),
                              uri.size() - prefix.size(), nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL),
            0);
  wav.resize(size);
  const auto decoded = decode_audio(wav, "the card's sound");
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->sample_rate_hz, kSpeechRateHz);
  EXPECT_EQ(to_pcm16(decoded->samples), to_pcm16(clip.samples));
}

TEST(SampleFigure, LongClipsAreCut) {
  Utterance utterance = make_utterance(1);
  utterance.audio = glide(kMaxShownSeconds + 5);
  const auto figure = sample_figure(utterance);
  ASSERT_TRUE(figure);
  EXPECT_THAT(*figure, HasSubstr("25.0 s, the first 20 s shown"));
  EXPECT_LT(figure->size(), static_cast<size_t>(kMaxShownSeconds * kSpeechRateHz * 2 * 4 / 3 + 120000));
}

TEST(Quantile, InterpolatesLinearly) {
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4}, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4}, 0.75), 3);
  EXPECT_DOUBLE_EQ(quantile({5}, 0.99), 5);
}

}  // namespace
}  // namespace prosodia
