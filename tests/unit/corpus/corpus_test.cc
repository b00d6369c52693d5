#include "data/corpus/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "data/corpus/inspect.h"
#include "data/store/hdf5_file.h"
#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(Corpus, RoundTrip) {
  TempDir dir;
  write_corpus(dir / "c.h5", 9);
  const auto reader = CorpusReader::open(dir / "c.h5");
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->size(), 9u);
  EXPECT_EQ((*reader)->description(), "for a test");
  EXPECT_EQ((*reader)->sample_rate_hz(), 16000);
  for (int i : {8, 0, 3}) {  // any order
    const Utterance wrote = make_utterance(i);
    const auto index = (*reader)->find("u" + std::to_string(i));
    ASSERT_TRUE(index);
    const auto read = (*reader)->read(*index);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->audio.samples, wrote.audio.samples);  // multiples of 1/32768 survive int16 exactly
    EXPECT_EQ(read->info.transcript, wrote.info.transcript);
    EXPECT_EQ(read->info.emotion, wrote.info.emotion);
    EXPECT_EQ(read->info.source_label, wrote.info.source_label);
    EXPECT_EQ(read->info.speaker, wrote.info.speaker);
    EXPECT_EQ(read->info.gender, wrote.info.gender);
    EXPECT_EQ(read->info.age_group, wrote.info.age_group);
    EXPECT_EQ(read->info.language, wrote.info.language);
    EXPECT_EQ(read->info.source, wrote.info.source);
    EXPECT_EQ(read->info.split, wrote.info.split);
    EXPECT_EQ(read->info.extra, wrote.info.extra);
    EXPECT_EQ(read->info.words, wrote.info.words) << i;
    EXPECT_EQ(read->info.words.size(), static_cast<size_t>(i % 3));
    EXPECT_EQ(read->info.controlled, wrote.info.controlled);
    EXPECT_EQ(read->info.levels, wrote.info.levels);
    EXPECT_EQ(read->info.measured.f0_mean_hz, wrote.info.measured.f0_mean_hz);
    EXPECT_EQ(read->info.measured.speech_seconds, std::nullopt);
    EXPECT_NEAR((*reader)->seconds(*index), static_cast<double>(wrote.audio.samples.size()) / 16000, 1e-9);
  }
  const auto missing = (*reader)->find("nobody");
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(missing.error().message, HasSubstr("c.h5: no utterance \"nobody\""));
}

TEST(Corpus, AnEmptyOneIsLegal) {
  TempDir dir;
  write_corpus(dir / "c.h5", 0);
  const auto reader = CorpusReader::open(dir / "c.h5");
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->size(), 0u);
}

TEST(Corpus, WriterRefusesBadUtterances) {
  TempDir dir;
  auto writer = CorpusWriter::create(dir / "c.h5", kSpeechRateHz, "");
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->append(make_utterance(0)));
  const auto refusal = [&](auto change) {
    Utterance utterance = make_utterance(1);
    change(utterance);
    const auto result = (*writer)->append(utterance);
    EXPECT_FALSE(result);
    return result ? "" : result.error().message;
  };
  EXPECT_THAT(refusal([](Utterance& u) { u.info.id = "u0"; }), HasSubstr("\"u0\": this id was written before"));
  EXPECT_THAT(refusal([](Utterance& u) { u.info.id = "a#b"; }), HasSubstr("without '#' and '/'"));
  EXPECT_THAT(refusal([](Utterance& u) { u.info.id = ""; }), HasSubstr("non-empty"));
  EXPECT_THAT(refusal([](Utterance& u) { u.audio.samples.clear(); }), HasSubstr("clip is empty"));
  EXPECT_THAT(refusal([](Utterance& u) { u.audio.sample_rate_hz = 8000; }), HasSubstr("8000 Hz"));
  EXPECT_THAT(refusal([](Utterance& u) { u.audio.samples[3] = std::numeric_limits<float>::infinity(); }),
              HasSubstr("NaN or infinity"));
  EXPECT_TRUE((*writer)->append(make_utterance(1)));  // still usable
}

TEST(Corpus, WriterRefusesBadLabels) {
  TempDir dir;
  auto writer = CorpusWriter::create(dir / "c.h5", kSpeechRateHz, "");
  ASSERT_TRUE(writer);
  const auto refusal = [&](auto change) {
    Utterance utterance = make_utterance(1, 16000);
    change(utterance.info);
    const auto result = (*writer)->append(utterance);
    EXPECT_FALSE(result);
    return result ? "" : result.error().message;
  };
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.split = "dev"; }),
              HasSubstr("c.h5: utterance \"u1\": split is \"dev\"; expected one of: train, validation, test"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.split = ""; }), HasSubstr("split is \"\""));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.gender = "F"; }), HasSubstr("one of: male, female"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.age_group = "34"; }),
              HasSubstr("age_group is \"34\"; expected one of: "));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.language = "en-US"; }), HasSubstr("BCP-47 primary tag"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.extra = "intensity=strong"; }), HasSubstr("extra"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.extra = "[1]"; }), HasSubstr("extra"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.levels.speed = "high"; }),
              HasSubstr("level of speed is \"high\"; expected one of: slow, normal, fast"));
  EXPECT_THAT(refusal([](UtteranceInfo& u) { u.controlled.voice = "soft"; }),
              HasSubstr("controlled voice is \"soft\""));
  const auto words = [](std::vector<Word> value) {
    return [value = std::move(value)](UtteranceInfo& u) { u.words = value; };
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(words({{.text = "two words", .end_seconds = 0.1f}})), HasSubstr("one word, without white space"));
  EXPECT_THAT(refusal(words({{.text = "", .end_seconds = 0.1f}})), HasSubstr("word 0 is \"\""));
  EXPECT_THAT(refusal(words({{.text = "a", .end_seconds = 1.2f}})), HasSubstr("within the clip's 1.000 s"));
  EXPECT_THAT(refusal(words({{.text = "a", .start_seconds = -0.1f}})), HasSubstr("ascending times"));
  EXPECT_THAT(refusal(words({{.text = "a", .start_seconds = nan, .end_seconds = 0.1f}})), HasSubstr("ascending times"));
  EXPECT_THAT(refusal(words({{.text = "a", .start_seconds = 0.2f, .end_seconds = 0.1f}})),
              HasSubstr("ascending times"));
  EXPECT_THAT(refusal(words({{.text = "a", .start_seconds = 0.2f, .end_seconds = 0.3f},
                             {.text = "b", .start_seconds = 0.1f, .end_seconds = 0.3f}})),
              HasSubstr("word 1 (\"b\") runs from 0.1 to 0.3 s"));
  // What append() took may be changed, but not broken.
  ASSERT_TRUE((*writer)->append(make_utterance(1)));
  (*writer)->infos()[0].levels.pitch = "very high";
  const Status finished = (*writer)->finish();
  ASSERT_FALSE(finished);
  EXPECT_THAT(finished.error().message, HasSubstr("c.h5: utterance \"u1\": level of pitch is \"very high\""));
  EXPECT_FALSE(std::filesystem::exists(dir / "c.h5"));
}

TEST(Corpus, AnotherFormatVersionSaysToMakeItAgain) {
  TempDir dir;
  write_corpus(dir / "c.h5", 1);
  {
    const auto guard = hdf5::lock();
    hid_t file = H5Fopen((dir / "c.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t attribute = H5Aopen(file, "version", H5P_DEFAULT);
    const uint64_t one = 1;
    H5Awrite(attribute, H5T_NATIVE_UINT64, &one);
    H5Aclose(attribute);
    H5Fclose(file);
  }
  const auto reader = CorpusReader::open(dir / "c.h5");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(reader.error().message, HasSubstr("c.h5: corpus format version 1; this program reads version 2. Make the "
                                                "corpus again with the same `prosodia data synth` or `data import`"));
}

TEST(Corpus, LoudSamplesAreClamped) {
  TempDir dir;
  auto writer = CorpusWriter::create(dir / "c.h5", kSpeechRateHz, "");
  Utterance utterance = make_utterance(0);
  utterance.audio.samples = {1.5f, -1.5f, 1.0f, -1.0f};
  ASSERT_TRUE((*writer)->append(utterance));
  ASSERT_TRUE((*writer)->finish());
  const auto reader = CorpusReader::open(dir / "c.h5");
  const float top = 32767.0f / 32768.0f;
  EXPECT_EQ((*reader)->read_audio(0)->samples, (std::vector<float>{top, -1.0f, top, -1.0f}));
}

TEST(Corpus, IsThereWholeOrNotAtAll) {
  TempDir dir;
  const auto files = [&] { return std::distance(std::filesystem::directory_iterator(dir.path()), {}); };
  write_corpus(dir / "c.h5", 2);
  {
    auto writer = CorpusWriter::create(dir / "c.h5", kSpeechRateHz, "second");
    ASSERT_TRUE((*writer)->append(make_utterance(0)));
    EXPECT_EQ(files(), 2);
  }  // never finished
  EXPECT_EQ(files(), 1);
  EXPECT_EQ((*CorpusReader::open(dir / "c.h5"))->description(), "for a test");
  const auto nowhere = CorpusWriter::create(dir / "no/such/folder/c.h5", kSpeechRateHz, "");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kStorage);
  EXPECT_THAT(nowhere.error().message, HasSubstr("no/such/folder/c.h5"));
}

TEST(Corpus, WhatIsNotACorpusIsRefused) {
  TempDir dir;
  const auto error = [&](const std::string& name) {
    const auto reader = CorpusReader::open(dir / name);
    EXPECT_FALSE(reader) << name;
    return reader ? Error{} : reader.error();
  };
  EXPECT_THAT(error("missing.h5").message,
              HasSubstr("missing.h5: no such corpus file; make one with `prosodia data synth"));
  write_text(dir / "text.h5", "id,emotion\n1,happy\n");
  EXPECT_EQ(error("text.h5").code, ErrorCode::kInvalidInput);
  EXPECT_THAT(error("text.h5").message, HasSubstr("text.h5: not a readable HDF5 file"));
  {
    const auto guard = hdf5::lock();
    const auto other = hdf5::create_file((dir / "other.h5").string());
    ASSERT_TRUE(other);
  }
  EXPECT_EQ(error("other.h5").code, ErrorCode::kInvalidInput);
  EXPECT_THAT(error("other.h5").message, HasSubstr("not a corpus"));
}

TEST(Corpus, EveryTruncationIsAnError) {
  TempDir dir;
  write_corpus(dir / "c.h5", 5, 100);
  const std::string whole = read_text(dir / "c.h5");
  for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 200) {
    write_text(dir / "cut.h5", whole.substr(0, size));
    const auto reader = CorpusReader::open(dir / "cut.h5");
    ASSERT_FALSE(reader) << size;
    EXPECT_THAT(reader.error().message, HasSubstr("cut.h5")) << size;
  }
}

// Every flipped byte is either reported, by open or by reading the clip it hits, or changes nothing that is read.
TEST(Corpus, NoFlippedByteIsReadAsTruth) {
  TempDir dir;
  write_corpus(dir / "c.h5", 3, 200);
  const std::string whole = read_text(dir / "c.h5");
  int reported = 0, tried = 0;
  for (size_t at = 0; at < whole.size(); at += 1 + at % 37 + (at > 16384 ? 400 : 0)) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_text(dir / "bad.h5", damaged);
    ++tried;
    const auto reader = CorpusReader::open(dir / "bad.h5");
    if (!reader) {
      ++reported;
      continue;
    }
    ASSERT_EQ((*reader)->size(), 3u) << at;
    for (size_t i = 0; i < 3; ++i) {
      const Utterance wrote = make_utterance(static_cast<int>(i), 200);
      const auto read = (*reader)->read(i);
      if (!read) {
        EXPECT_EQ(read.error().code, ErrorCode::kCorruption);
        EXPECT_THAT(read.error().message, HasSubstr("bad.h5#u"));
        ++reported;
        continue;
      }
      EXPECT_EQ(read->audio.samples, wrote.audio.samples) << "byte " << at;
      EXPECT_EQ(read->info.transcript, wrote.info.transcript) << "byte " << at;
      EXPECT_EQ(read->info.levels, wrote.info.levels) << "byte " << at;
      EXPECT_EQ(read->info.words, wrote.info.words) << "byte " << at;
    }
  }
  EXPECT_GT(reported, tried / 20);
}

TEST(Corpus, ReadsFromManyThreads) {
  TempDir dir;
  write_corpus(dir / "c.h5", 16);
  const auto opened = CorpusReader::open(dir / "c.h5");
  ASSERT_TRUE(opened);
  const CorpusReader& reader = **opened;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 50; ++round) {
        const int i = (7 * t + round) % 16;
        const auto clip = reader.read_audio(static_cast<size_t>(i));
        if (!clip || clip->samples != make_utterance(i).audio.samples) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Inspect, CountsAgreementAndLeakage) {
  TempDir dir;
  write_corpus(dir / "c.h5", 9);
  const auto reader = CorpusReader::open(dir / "c.h5");
  ASSERT_TRUE(reader);
  const auto agreement = level_agreement(**reader, "");
  EXPECT_EQ(agreement.at(Attribute::kPitch).both, 9);
  EXPECT_EQ(agreement.at(Attribute::kPitch).equal, 8);
  EXPECT_EQ(agreement.count(Attribute::kEnergy), 0u);  // measured, but not controlled
  EXPECT_EQ(level_agreement(**reader, "test").at(Attribute::kPitch).both, 3);
  const Leakage leakage = split_leakage(**reader);
  EXPECT_TRUE(leakage.speakers.empty());
  EXPECT_TRUE(leakage.sentences.empty());
  const std::string text = inspect_text(**reader);
  EXPECT_THAT(text, HasSubstr("9 utterances"));
  EXPECT_THAT(text, HasSubstr("\nsource: made 9\nlanguage: en 9\nage group: (not known) 4 middle-aged 5\n"
                              "words in time: 9 in 6 utterances, 5 of them estimated; 3 stressed\n"));
  EXPECT_THAT(text, HasSubstr("no speaker occurs in two splits"));
  EXPECT_THAT(text, HasSubstr("contempt or disgust"));
}

TEST(Inspect, LeakageIsFound) {
  TempDir dir;
  auto writer = CorpusWriter::create(dir / "c.h5", kSpeechRateHz, "");
  for (int i = 0; i < 2; ++i) {
    Utterance utterance = make_utterance(i);
    utterance.info.split = i == 0 ? "train" : "test";
    utterance.info.speaker = "both";
    utterance.info.transcript = "the same words";
    ASSERT_TRUE((*writer)->append(utterance));
  }
  ASSERT_TRUE((*writer)->finish());
  const auto reader = CorpusReader::open(dir / "c.h5");
  EXPECT_EQ(split_leakage(**reader).speakers, std::vector<std::string>{"both"});
  EXPECT_EQ(split_leakage(**reader).sentences, std::vector<std::string>{"the same words"});
  EXPECT_THAT(inspect_text(**reader), HasSubstr("WARNING: 1 speakers occur in two splits: \"both\""));
}

}  // namespace
}  // namespace prosodia
