#include "data/corpus/audio_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(AudioStore, LoadsFilesAndCorpusUtterances) {
  TempDir dir;
  write_corpus(dir / "c.h5", 3);
  const Utterance utterance = make_utterance(2);
  ASSERT_TRUE(write_wav(dir / "take#2.wav", utterance.audio));
  AudioStore store;
  const auto from_corpus = store.load((dir / "c.h5").string() + "#u2");
  ASSERT_TRUE(from_corpus) << from_corpus.error().message;
  EXPECT_EQ((*from_corpus)->samples, utterance.audio.samples);
  const auto from_file = store.load((dir / "take#2.wav").string());  // a '#' in a plain file's name is just that
  ASSERT_TRUE(from_file) << from_file.error().message;
  EXPECT_EQ((*from_file)->samples, utterance.audio.samples);
  EXPECT_EQ((*store.load((dir / "c.h5").string() + "#u2")).get(), from_corpus->get());  // shared, not decoded again
}

TEST(AudioStore, ErrorsNameTheReferenceAndAreNotCached) {
  TempDir dir;
  AudioStore store;
  const std::string ref = (dir / "c.h5").string() + "#u7";
  EXPECT_THAT(store.load(ref).error().message, HasSubstr("c.h5"));
  write_corpus(dir / "c.h5", 3);
  EXPECT_THAT(store.load(ref).error().message, HasSubstr("no utterance \"u7\""));
  EXPECT_TRUE(store.load((dir / "c.h5").string() + "#u1"));
  EXPECT_THAT(store.load((dir / "no.wav").string()).error().message, HasSubstr("no.wav"));
}

TEST(AudioStore, KeepsToItsLimitAndForgetsTheOldest) {
  TempDir dir;
  write_corpus(dir / "c.h5", 6);  // clips of 800..805 samples
  const auto ref = [&](int i) { return (dir / "c.h5").string() + "#u" + std::to_string(i); };
  AudioStore store({.max_cached_bytes = 3 * 810 * sizeof(float)});
  const auto first = *store.load(ref(0));
  const auto second = *store.load(ref(1));
  (void)store.load(ref(2));
  (void)store.load(ref(0));  // used again, so u1 is the oldest
  (void)store.load(ref(3));
  EXPECT_LE(store.cached_bytes(), 3 * 810 * sizeof(float));
  EXPECT_EQ(store.load(ref(0))->get(), first.get());
  EXPECT_NE(store.load(ref(1))->get(), second.get());
  EXPECT_EQ(second->samples, make_utterance(1).audio.samples);  // still valid for who holds it
  AudioStore none({.max_cached_bytes = 0});
  EXPECT_TRUE(none.load(ref(0)));
  EXPECT_EQ(none.cached_bytes(), 0u);
}

TEST(AudioStore, IsThreadSafe) {
  TempDir dir;
  write_corpus(dir / "c.h5", 8);
  AudioStore store({.max_cached_bytes = 4 * 810 * sizeof(float)});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 100; ++round) {
        const int i = (3 * t + round) % 8;
        const auto clip = store.load((dir / "c.h5").string() + "#u" + std::to_string(i));
        if (!clip || (*clip)->samples != make_utterance(i).audio.samples) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace prosodia
