#include "data/corpus/annotate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/corpus/word_sidecar.h"
#include "tests/unit/corpus/support.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr int kPerSpeaker = 36;

// Four swells, one a syllable; low, normal and high voices, quiet, normal and loud, in turn.
AudioClip swells(double f0_hz, double amplitude) {
  return voiced(
      0.6, [=](double) { return f0_hz; },
      [=](double t) { return amplitude * (0.05 + std::pow(std::sin(std::numbers::pi * t / 0.15), 2)); });
}

Utterance made(int index) {
  const bool woman = index % 2 == 1;
  const int turn = index / 2 % 3;
  Utterance utterance;
  UtteranceInfo& info = utterance.info;
  info.id = "u" + std::to_string(index);
  info.transcript = "go now my friend";
  info.emotion = "happy";
  info.speaker = woman ? "she" : "he";
  info.gender = woman ? "female" : "male";
  info.age_group = woman ? "elderly" : "";
  info.language = "en";
  info.source = "made";
  info.split = "train";
  info.extra = R"({"index":1})";
  info.levels.pitch = "low";  // of an earlier life
  utterance.audio = swells((woman ? 210 : 110) * (1 + 0.2 * turn), 0.02 * (1 + index / 2 % 2 * 3));
  return utterance;
}

class Annotate : public ::testing::Test {
 protected:
  void write(
      int count, const std::function<void(int, Utterance&)>& change = [](int, Utterance&) {}) {
    auto writer = CorpusWriter::create(dir_ / "c.h5", kSpeechRateHz, "made");
    ASSERT_TRUE(writer);
    for (int i = 0; i < count; ++i) {
      Utterance utterance = made(i);
      change(i, utterance);
      const auto index = (*writer)->append(utterance);
      ASSERT_TRUE(index) << index.error().message;
    }
    ASSERT_TRUE((*writer)->finish());
    options_.corpus = dir_ / "c.h5";
    options_.out = dir_ / "d.h5";
  }
  AnnotateReport annotate() {
    auto report = annotate_corpus(options_);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report ? *report : AnnotateReport{};
  }
  std::string annotate_error() {
    const auto report = annotate_corpus(options_);
    EXPECT_FALSE(report);
    return report ? "" : report.error().message;
  }
  std::unique_ptr<CorpusReader> result() const {
    auto reader = CorpusReader::open(options_.out.empty() ? options_.corpus : options_.out);
    EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
    return reader ? std::move(*reader) : nullptr;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  TempDir dir_;
  AnnotateOptions options_;
};

TEST_F(Annotate, LevelsAreMeasuredAndEverythingElseStays) {
  write(2 * kPerSpeaker);
  const AnnotateReport report = annotate();
  const auto corpus = result();
  ASSERT_EQ(corpus->size(), 2u * kPerSpeaker);
  const char* turns[] = {"low", "normal", "high"};
  for (int i = 0; i < 2 * kPerSpeaker; ++i) {
    const Utterance before = made(i);
    const auto after = corpus->read(static_cast<size_t>(i));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->info.levels.pitch, turns[i / 2 % 3]) << i;  // for this speaker: 110 and 210 Hz are both low
    EXPECT_EQ(after->info.levels.gender, before.info.gender);
    EXPECT_EQ(after->info.levels.age, before.info.age_group);
    EXPECT_NEAR(*after->info.measured.f0_mean_hz, (i % 2 == 1 ? 210 : 110) * (1 + 0.2 * (i / 2 % 3)), 2.0) << i;
    EXPECT_EQ(after->info.levels.intonation, "flat");
    EXPECT_EQ(after->info.levels.voice, "normal");
    EXPECT_EQ(after->info.words.size(), 4u);
    EXPECT_TRUE(after->info.words[0].is_estimated);
    EXPECT_EQ(after->info.extra, before.info.extra);
    EXPECT_EQ(after->info.emotion, "happy");
    EXPECT_EQ(after->info.controlled, before.info.controlled);
    EXPECT_EQ(after->audio.samples.size(), before.audio.samples.size());
  }
  EXPECT_EQ(*(*CorpusReader::open(options_.corpus))->read_audio(3)->samples.begin(),
            *corpus->read_audio(3)->samples.begin());
  EXPECT_EQ(report.attributes.at(Attribute::kPitch).levels.at("high"), 24);
  EXPECT_EQ(report.attributes.at(Attribute::kAge).undetermined.at("not given"), kPerSpeaker);
  EXPECT_EQ(report.estimated_words, 4 * 2 * kPerSpeaker);
  EXPECT_EQ(corpus->description(), "made");
  const std::string text = report.to_text();
  EXPECT_THAT(text, HasSubstr("72 utterances, 0.7 minutes of audio"));
  EXPECT_THAT(text, HasSubstr("pitch       low 24  normal 24  high 24"));
  EXPECT_THAT(text, HasSubstr("speaker she"));
  EXPECT_THAT(text, HasSubstr("of 288 words stressed; times of 0 words known, of 288 estimated"));
}

TEST_F(Annotate, CalibrationScopeIsTheUsersChoice) {
  write(2 * kPerSpeaker);
  options_.calibration.scope = CalibrationScope::kCorpus;
  const AnnotateReport report = annotate();
  const auto corpus = result();
  for (size_t i = 0; i < corpus->size(); ++i) {
    EXPECT_NE(corpus->info(i).levels.pitch, i % 2 == 1 ? "low" : "high") << i;  // her voice is never low among both
  }
  EXPECT_THAT(report.to_text(), Not(HasSubstr("speaker she")));
}

TEST_F(Annotate, SameBytesWithAnyJobsAndTwice) {
  write(20);
  options_.jobs = 1;
  annotate();
  const std::string one = read_text(dir_ / "d.h5");
  options_.jobs = 5;
  annotate();
  EXPECT_EQ(read_text(dir_ / "d.h5"), one);
  options_.corpus = dir_ / "d.h5";
  options_.out.clear();
  annotate();  // in place, on its own result
  EXPECT_EQ(read_text(dir_ / "d.h5"), one);
  EXPECT_EQ(files(), (std::vector<std::string>{"c.h5", "d.h5"}));
}

TEST_F(Annotate, StoppingChangesNothing) {
  write(20);
  const std::string before = read_text(dir_ / "c.h5");
  int done = 0;
  options_.out.clear();
  options_.on_progress = [&](int now, int total) {
    done = now;
    EXPECT_EQ(total, 20);
  };
  options_.stop_requested = [&] { return done >= 7; };
  const auto report = annotate_corpus(options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
  EXPECT_THAT(report.error().message, HasSubstr("asked to stop after 7 of 20 utterances"));
  EXPECT_EQ(files(), std::vector<std::string>{"c.h5"});
  EXPECT_EQ(read_text(dir_ / "c.h5"), before);
}

TEST_F(Annotate, WhatIsUndeterminedIsCountedWithItsReason) {
  write(2 * kPerSpeaker, [](int i, Utterance& utterance) {
    if (i == 0) std::fill(utterance.audio.samples.begin(), utterance.audio.samples.end(), 0.0f);
    if (i == 1) utterance.audio = noise(0.6, 0.1, 7);
    if (i == 2) utterance.audio.samples.resize(800);
    if (i == 3) utterance.info.transcript.clear();
    if (i == 4) utterance.info.language = "fr";
    if (i == 5) utterance.info.language.clear();
  });
  const AnnotateReport report = annotate();
  const auto corpus = result();
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(corpus->info(i).levels.energy, "") << i;
  const auto& speed = report.attributes.at(Attribute::kSpeed).undetermined;
  EXPECT_EQ(speed.at("no speech"), 2);
  EXPECT_EQ(speed.at("too short"), 1);
  EXPECT_EQ(speed.at("no transcript"), 1);
  EXPECT_EQ(speed.at("no syllable count"), 2);
  EXPECT_EQ(report.attributes.at(Attribute::kPitch).undetermined.at("no speech"), 2);
  EXPECT_EQ(report.without_stress.at("no transcript"), 1);
  EXPECT_EQ(report.without_stress.at("no word times"), 2);
  EXPECT_THAT(report.to_text(),
              HasSubstr("undetermined 6 (no speech 2, no syllable count 2, no transcript 1, too short 1)"));
  options_.language = "en";
  EXPECT_EQ(annotate().attributes.at(Attribute::kSpeed).undetermined.at("no syllable count"), 1);
  options_.language = "fr";
  EXPECT_THAT(annotate_error(), HasSubstr("--language fr: no syllable rule; expected en or de"));
}

TEST_F(Annotate, TooFewUtterancesHaveNoLevels) {
  write(20);
  const AnnotateReport report = annotate();
  EXPECT_EQ(report.attributes.at(Attribute::kPitch).undetermined.at("too few to calibrate"), 20);
  EXPECT_EQ(result()->info(0).levels.pitch, "");
  EXPECT_EQ(result()->info(0).levels.intonation, "flat");  // needs no comparison
  EXPECT_THAT(report.to_text(), HasSubstr("too few"));
}

TEST_F(Annotate, WordTimesComeFromTheSidecarThenTheCorpus) {
  write(4, [](int i, Utterance& utterance) {
    if (i < 2)
      utterance.info.words = {{"go", 0, 0.1f}, {"now", 0.1f, 0.3f}, {"my", 0.3f, 0.4f}, {"friend", 0.4f, 0.6f}};
    utterance.info.controlled.stress = "now";
    // The second swell is louder and higher.
    const AudioClip loud = swells(150, 0.2);
    for (size_t s = 2400; s < 4800; ++s) utterance.audio.samples[s] = loud.samples[s];
  });
  std::filesystem::create_directory(dir_ / "times");
  write_text(dir_ / "times" / "u0.json",
             R"({"words":[{"word":" go","start":0,"end":0.15},{"word":"now","start":0.15,"end":0.3},)"
             R"({"word":"my","start":0.3,"end":0.45},{"word":"friend","start":0.45,"end":0.6}]})");
  options_.word_times = dir_ / "times";
  const AnnotateReport report = annotate();
  const auto corpus = result();
  EXPECT_FLOAT_EQ(corpus->info(0).words[1].start_seconds, 0.15f);
  EXPECT_FLOAT_EQ(corpus->info(1).words[1].start_seconds, 0.1f);
  EXPECT_FALSE(corpus->info(1).words[0].is_estimated);
  EXPECT_TRUE(corpus->info(2).words.at(0).is_estimated);
  EXPECT_EQ(corpus->info(0).levels.stress, "now");
  EXPECT_TRUE(corpus->info(0).words[1].stressed);
  EXPECT_EQ(report.timed_words, 8);
  EXPECT_EQ(report.estimated_words, 8);
  EXPECT_EQ(report.stress_controlled, 4);
  EXPECT_GE(report.stress_agreeing, 2);

  write_text(dir_ / "times" / "u3.ctm", "u3 1 0.1 0.2 go\nu3 1 0.3 now\n");
  EXPECT_THAT(annotate_error(), HasSubstr("u3.ctm:2: expected \"ID CHANNEL START DURATION WORD\""));
  write_text(dir_ / "times" / "u3.ctm", "u3 1 0.1 9 go\n");
  EXPECT_THAT(annotate_error(), HasSubstr("\"u3\": word 0 (\"go\") runs from 0.1 to 9.1 s"));
  EXPECT_EQ(files(), (std::vector<std::string>{"c.h5", "d.h5", "times"}));
  options_.word_times = dir_ / "none";
  EXPECT_THAT(annotate_error(), HasSubstr("expected a folder with ID.TextGrid, ID.json or ID.ctm"));
}

TEST_F(Annotate, BadCorporaAreErrors) {
  EXPECT_THAT(annotate_error(), HasSubstr("--corpus is missing"));
  options_.corpus = dir_ / "absent.h5";
  EXPECT_THAT(annotate_error(), HasSubstr("absent.h5: no such corpus file"));
  write(3);
  options_.out = dir_ / "no" / "d.h5";
  EXPECT_THAT(annotate_error(), HasSubstr("no/d.h5"));
  std::string text = read_text(dir_ / "c.h5");
  const auto clip = (*CorpusReader::open(dir_ / "c.h5"))->read_audio(1);
  std::string pcm;  // some of its samples as they lie in the file
  for (size_t i = 1000; i < 1016; ++i) {
    const auto sample = static_cast<int16_t>(std::lround(clip->samples[i] * 32768));
    pcm += {static_cast<char>(sample & 0xFF), static_cast<char>(sample >> 8)};
  }
  ASSERT_NE(text.find(pcm), std::string::npos);
  text[text.find(pcm)] ^= 0x55;
  write_text(dir_ / "c.h5", text);
  options_.out = dir_ / "d.h5";
  EXPECT_THAT(annotate_error(), HasSubstr("c.h5#u1: the audio does not match its checksum"));
  EXPECT_EQ(files(), std::vector<std::string>{"c.h5"});
}

constexpr const char* kLongTextGrid = R"(File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Words"
        xmin = 0
        xmax = 1.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = ""
        intervals [2]:
            xmin = 0.25
            xmax = 0.5
            text = "say ""no"""
        intervals [3]:
            xmin = 0.5
            xmax = 0.75
            text = "<sil>"
        intervals [4]:
            xmin = 0.75
            xmax = 1.5
            text = "Wörter "
    item [2]:
        class = "TextTier"
        name = "marks"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            number = 0.3
            mark = "here"
)";

TEST(WordSidecar, TextGridLongAndShort) {
  const auto words = parse_textgrid(kLongTextGrid, "a.TextGrid");
  ASSERT_TRUE(words) << words.error().message;
  ASSERT_EQ(words->size(), 2u);
  EXPECT_EQ((*words)[0], (Word{"say \"no\"", 0.25f, 0.5f}));
  EXPECT_EQ((*words)[1], (Word{"Wörter", 0.75f, 1.5f}));
  const auto brief = parse_textgrid(
      "\xEF\xBB\xBF\"ooTextFile\"\n\"TextGrid\"\n0\n1\n<exists>\n1\n\"IntervalTier\"\n\"ORT\"\n0\n1\n1\n0\n1\n\"hi\"\n",
      "b");
  ASSERT_TRUE(brief) << brief.error().message;
  EXPECT_EQ(*brief, (std::vector<Word>{{"hi", 0, 1}}));
}

TEST(WordSidecar, BrokenTextGridsNameTheLine) {
  const std::string good = kLongTextGrid;
  const auto error = [](const std::string& text) {
    const auto words = parse_textgrid(text, "a.TextGrid");
    EXPECT_FALSE(words);
    return words ? "" : words.error().message;
  };
  EXPECT_THAT(error(good.substr(0, good.find("text = \"say"))),
              HasSubstr("a.TextGrid:22: not a TextGrid in text form"));
  EXPECT_THAT(error("\xFF\xFE" + good), HasSubstr("UTF-16; save it as UTF-8"));
  EXPECT_THAT(error("RIFF"), HasSubstr("a.TextGrid:1: not a TextGrid"));
  std::string many = good;
  many.replace(many.find("size = 4"), 8, "size = 4e9");
  EXPECT_THAT(error(many), HasSubstr("a count within the file's size"));
  std::string other = good;
  other.replace(other.find("TextTier"), 8, "WaveTier");
  other.replace(other.find("Words"), 5, "phones");
  EXPECT_THAT(error(other), HasSubstr("\"IntervalTier\" or \"TextTier\""));
  // Every prefix is an error or the words, never a crash.
  for (size_t size = 0; size < good.size(); size += 3)
    (void)parse_textgrid(std::string_view(good).substr(0, size), "a");
}

TEST(WordSidecar, JsonForms) {
  const std::vector<Word> expected = {{"a", 0, 0.5f}, {"b", 0.5f, 1}};
  for (
      const char* text :
      {R"([{"word":"a","start":0,"end":0.5},{"text":" b ","start":0.5,"end":1}])",
       R"({"words":[{"word":"b","start":0.5,"end":1},{"word":"a","start":0,"end":0.5}]})",
       R"({"segments":[{"words":[{"word":"a","start":0,"end":0.5}]},{"words":[{"word":"b","start":0.5,"end":1}]}]})"}) {
    const auto words = parse_word_json(text, "w.json");
    ASSERT_TRUE(words) << words.error().message;
    EXPECT_EQ(*words, expected);
  }
  const auto error = [](const char* text) {
    const auto words = parse_word_json(text, "w.json");
    EXPECT_FALSE(words) << text;
    return words ? "" : words.error().message;
  };
  EXPECT_THAT(error(R"({"words":[{"word":"a"}]})"), HasSubstr("w.json: word 0 is {\"word\":\"a\"}; expected"));
  EXPECT_THAT(error(R"({"segments":[{}]})"), HasSubstr("a segment without a list \"words\""));
  EXPECT_THAT(error(R"({"text":"a"})"), HasSubstr("expected a list of words"));
  EXPECT_THAT(error("{"), HasSubstr("w.json: not valid JSON"));
  EXPECT_THAT(error("[3]"), HasSubstr("word 0 is 3"));
}

TEST(WordSidecar, OneCtmForAll) {
  TempDir dir;
  write_text(dir / "all.ctm", ";; made\nu1 A 0.50 0.10 two 0.9\n\nu1 A 0.00 0.25 one\nu2 1 0.1 0.2 three\n");
  const auto times = WordTimes::open(dir / "all.ctm");
  ASSERT_TRUE(times) << times.error().message;
  EXPECT_EQ(**times->find("u1"), (std::vector<Word>{{"one", 0, 0.25f}, {"two", 0.5f, 0.6f}}));
  EXPECT_EQ(*times->find("u3"), std::nullopt);
  write_text(dir / "u9.ctm", "u8 1 0 1 word\n");
  EXPECT_THAT(WordTimes::open(dir.path())->find("u9").error().message,
              HasSubstr("u9.ctm: has words of \"u8\", none of \"u9\""));
}

}  // namespace
}  // namespace prosodia
