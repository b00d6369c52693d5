// Each format on a small release in its official layout, imported to the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/importers/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Release : public ::testing::Test {
 protected:
  ImportOptions options(const std::string& format) {
    ImportOptions options;
    options.format = format;
    options.root = dir_ / "release";
    options.out = dir_ / "c.h5";
    options.splits.shares = {1, 0, 0};
    return options;
  }
  std::filesystem::path root() { return dir_ / "release"; }
  TempDir dir_;
};

TEST_F(Release, RavdessUnderTheZipsFolderWithSongsAndDroppings) {
  const auto zip = root() / "Audio_Speech_Actors_01-24";
  put_tone(zip / "Actor_01/03-01-05-02-01-01-01.wav", 200, 0.3, 48000);
  put_tone(zip / "Actor_02/03-01-06-01-02-02-02.wav");
  put_tone(zip / "Actor_02/03-01-02-01-02-02-02.wav");
  put_tone(root() / "Audio_Song_Actors_01-24/Actor_02/03-02-03-01-02-02-02.wav");
  put_tone(zip / "Actor_02/03-01-09-01-02-02-02.wav");
  put_tone(zip / "Actor_02/notes.wav");
  put_text(zip / "Actor_02/._03-01-06-01-02-02-02.wav", "Mac OS X");
  put_text(root() / "__MACOSX/Actor_02/03-01-06-01-02-02-02.wav", "Mac OS X");
  put_text(zip / "Actor_02/README.txt", "not sound");

  const ImportReport report = import_ok(options("ravdess"));
  EXPECT_EQ(report.imported, 2u);
  EXPECT_EQ(count_of(report, "calm"), 1);
  EXPECT_EQ(report.left_out.at("song"), 1);
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_THAT(reason_for(report, "Audio_Speech_Actors_01-24/Actor_02/03-01-09-01-02-02-02.wav"),
              HasSubstr("emotion 09 is not one of 01 to 08"));
  EXPECT_THAT(reason_for(report, "Audio_Speech_Actors_01-24/Actor_02/notes.wav"), HasSubstr("MM-VC-EE-II-SS-RR-AA"));

  const auto corpus = open_ok(dir_ / "c.h5");
  const UtteranceInfo& angry = info_of(*corpus, "03-01-05-02-01-01-01");
  EXPECT_EQ(angry.emotion, "angry");
  EXPECT_EQ(angry.source_label, "angry");
  EXPECT_EQ(angry.source, "ravdess");
  EXPECT_EQ(angry.transcript, "Kids are talking by the door.");
  EXPECT_EQ(angry.speaker, "Actor_01");
  EXPECT_EQ(angry.gender, "male");
  EXPECT_EQ(angry.age_group, "young adult");
  EXPECT_EQ(angry.language, "en");
  EXPECT_EQ(angry.split, "train");
  EXPECT_EQ(extra_of(angry)["intensity"], "strong");
  EXPECT_EQ(extra_of(angry)["path"], "Audio_Speech_Actors_01-24/Actor_01/03-01-05-02-01-01-01.wav");
  EXPECT_EQ(corpus->sample_rate_hz(), 16000);
  EXPECT_NEAR(corpus->seconds(*corpus->find("03-01-05-02-01-01-01")), 0.3, 1e-3);
  EXPECT_EQ(info_of(*corpus, "03-01-06-01-02-02-02").gender, "female");
  EXPECT_EQ(info_of(*corpus, "03-01-06-01-02-02-02").emotion, "fear");
}

TEST_F(Release, CalmIsNeutralWhenAskedFor) {
  put_tone(root() / "Actor_02/03-01-02-01-02-02-02.wav");
  ImportOptions with_calm = options("ravdess");
  with_calm.label_map = {"calm=neutral"};
  EXPECT_EQ(import_ok(with_calm).imported, 1u);
  const auto corpus = open_ok(dir_ / "c.h5");
  EXPECT_EQ(corpus->info(0).emotion, "neutral");
  EXPECT_EQ(corpus->info(0).source_label, "calm");
}

TEST_F(Release, SaveeInBothLayoutsGivesTheSameUtterances) {
  for (const char* name : {"DC/a01", "DC/su15", "KL/n30", "JE/d02", "JK/sa07"}) {
    put_tone(root() / "AudioData" / (std::string(name) + ".wav"), 150, 0.3, 44100);
    std::string flat = name;
    flat[2] = '_';
    put_tone(dir_ / "flat" / (flat + ".wav"), 150, 0.3, 44100);
  }
  put_text(root() / "AudioData/Info.txt", "Speakers");
  put_tone(root() / "AudioData/DC/x01.wav");
  put_tone(root() / "AudioData/XX/a01.wav");
  put_text(dir_ / "text.tsv",
           "a01\tWill you tell me why?\nKL_n30\tThe best way to learn is to solve extra problems.\n");
  ImportOptions tree = options("savee"), flat = options("savee");
  flat.root = dir_ / "flat";
  flat.out = dir_ / "flat.h5";
  const ImportReport report = import_ok(tree);
  EXPECT_EQ(report.imported, 5u);
  EXPECT_EQ(report.problems.size(), 2u);
  EXPECT_THAT(report.notes, Contains(HasSubstr("--transcripts")));
  flat.transcripts = dir_ / "text.tsv";
  EXPECT_THAT(import_ok(flat).notes, Contains(HasSubstr("no line for 3 utterances")));
  const auto a = open_ok(dir_ / "c.h5"), b = open_ok(dir_ / "flat.h5");
  ASSERT_EQ(a->size(), b->size());
  for (size_t i = 0; i < a->size(); ++i) {
    EXPECT_EQ(a->info(i).id, b->info(i).id);
    EXPECT_EQ(a->info(i).emotion, b->info(i).emotion);
    EXPECT_EQ(a->info(i).speaker, b->info(i).speaker);
  }
  EXPECT_EQ(info_of(*a, "DC_su15").emotion, "surprise");
  EXPECT_EQ(info_of(*a, "JE_d02").emotion, "contempt or disgust");
  EXPECT_EQ(info_of(*a, "JK_sa07").emotion, "sad");
  EXPECT_EQ(info_of(*a, "DC_a01").transcript, "");
  EXPECT_EQ(info_of(*b, "DC_a01").transcript, "Will you tell me why?");
  EXPECT_THAT(info_of(*b, "KL_n30").transcript, HasSubstr("extra problems"));
}

TEST_F(Release, Iemocap) {
  const auto session = root() / "IEMOCAP_full_release/Session1";
  put_text(session / "dialog/EmoEvaluation/Ses01F_impro01.txt",
           "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
           "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
           "C-E2:\tNeutral;\t()\nC-E3:\tNeutral; Excited;\t()\nC-F1:\tNeutral;\t(curious)\n"
           "A-E3:\tval 3; act 2; dom  2;\t()\n\n"
           "[19.2900 - 20.7875]\tSes01F_impro01_M001\txxx\t[2.5000, 3.0000, 3.0000]\n"
           "C-E2:\tFrustration;\t()\n\n"
           "[21.3257 - 24.7400]\tSes01F_impro01_M002\texc\t[4.0000, 3.0000, 3.0000]\n"
           "[25.0000 - 26.0000]\tSes01F_impro01_F003\tfru\t[2.0000, 3.0000, 3.0000]\n"
           "[27.0000 - 28.0000]\tSes01F_impro01_F004\tang\t[2.0000, 3.0000, 3.0000]\n"
           "[29.0000 - 30.0000] Ses01F_impro01_F005 ang\n");
  put_text(session / "dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt", "Ses01F_impro01_F000 :Neutral;\n");
  put_text(session / "dialog/transcriptions/Ses01F_impro01.txt",
           "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\r\n"
           "Ses01F_impro01_M002 [021.3257-024.7400]: [LAUGHTER] Yeah it\x92s here.\r\n"
           "M: turn without a time\r\n");
  for (const char* turn : {"F000", "M001", "M002", "F003", "M099"}) {
    put_tone(session / "sentences/wav/Ses01F_impro01" / (std::string("Ses01F_impro01_") + turn + ".wav"));
  }
  put_tone(session / "dialog/wav/Ses01F_impro01.wav");  // the whole dialog is no utterance

  const ImportReport report = import_ok(options("iemocap"));
  EXPECT_EQ(report.imported, 2u);
  EXPECT_EQ(count_of(report, "xxx"), 1);
  EXPECT_EQ(count_of(report, "fru"), 1);
  ASSERT_EQ(report.problems.size(), 3u);
  const std::string evaluation = "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt";
  EXPECT_THAT(reason_for(report, evaluation + ":14"), HasSubstr("no audio: sentences/wav/Ses01F_impro01/"));
  EXPECT_THAT(reason_for(report, evaluation + ":15"), HasSubstr("malformed row"));
  EXPECT_THAT(reason_for(report, "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M099.wav"),
              HasSubstr("no label"));
  const auto corpus = open_ok(dir_ / "c.h5");
  const UtteranceInfo& first = info_of(*corpus, "Ses01F_impro01_F000");
  EXPECT_EQ(first.emotion, "neutral");
  EXPECT_EQ(first.transcript, "Excuse me.");
  EXPECT_EQ(first.speaker, "Ses01_F");
  EXPECT_EQ(first.gender, "female");
  EXPECT_EQ(extra_of(first)["valence"], 2.5);
  EXPECT_EQ(extra_of(first)["annotators"]["E3"], (nlohmann::json{"Neutral", "Excited"}));
  EXPECT_EQ(extra_of(first)["is_scripted"], false);
  const UtteranceInfo& excited = info_of(*corpus, "Ses01F_impro01_M002");
  EXPECT_EQ(excited.emotion, "happy");
  EXPECT_EQ(excited.source_label, "exc");
  EXPECT_EQ(excited.speaker, "Ses01_M");
  EXPECT_EQ(excited.transcript, "Yeah it's here.");
  EXPECT_EQ(extra_of(excited)["transcript_with_events"], "[LAUGHTER] Yeah it's here.");
}

constexpr const char* kMeldHeader =
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n";

TEST_F(Release, MeldKeepsItsSplitAndReadsItsQuotes) {
  put_text(
      root() / "train/train_sent_emo.csv",
      std::string(kMeldHeader) +
          "1,\"Oh my God, he\xC2\x92s lost it.\",Phoebe,sadness,negative,0,0,4,7,\"00:20:57,256\",\"00:21:00,049\"\n"
          "2,\"\"\"Wanted. Female roommate.\"\" Nice!\",Chandler,joy,positive,0,1,4,7,\"0:1:2,3\",\"0:1:3,4\"\n"
          "3,No sound,Ross,neutral,neutral,9,9,4,7,\"0:1:2,3\",\"0:1:3,4\"\n"
          "4,A row cut,Ross\n");
  put_text(root() / "dev_sent_emo.csv",
           std::string(kMeldHeader) + "1,Fine.,Ross,anger,negative,0,0,2,7,\"0:19:29,588\",\"0:19:29,727\"\n");
  put_text(root() / "test_sent_emo.csv",
           std::string(kMeldHeader) + "1,Good.,Rachel,disgust,negative,0,0,2,7,\"0:1,1\",\"0:1,2\"\n");
  put_tone(root() / "train/train_splits/dia0_utt0.wav", 200);
  put_tone(root() / "train/train_splits/dia0_utt1.wav", 210);
  put_tone(root() / "dev_splits_complete/dia0_utt0.wav", 220);
  put_tone(root() / "output_repeated_splits_test/dia0_utt0.wav", 230);
  put_tone(root() / "output_repeated_splits_test/final_videos_testdia0_utt0.wav", 230);

  const ImportReport report = import_ok(options("meld"));
  EXPECT_EQ(report.imported, 4u);
  EXPECT_THAT(reason_for(report, "train/train_sent_emo.csv:4"), HasSubstr("dia9_utt9.wav is not in a train folder"));
  EXPECT_THAT(reason_for(report, "train/train_sent_emo.csv:5"), HasSubstr("3 fields, the header has 11"));
  const auto corpus = open_ok(dir_ / "c.h5");
  const UtteranceInfo& first = info_of(*corpus, "train_dia0_utt0");
  EXPECT_EQ(first.transcript, "Oh my God, he's lost it.");
  EXPECT_EQ(first.speaker, "Phoebe");
  EXPECT_EQ(first.emotion, "sad");
  EXPECT_EQ(first.split, "train");
  EXPECT_EQ(extra_of(first)["sentiment"], "negative");
  EXPECT_EQ(extra_of(first)["starttime"], "00:20:57,256");
  EXPECT_EQ(info_of(*corpus, "train_dia0_utt1").transcript, "\"Wanted. Female roommate.\" Nice!");
  EXPECT_EQ(info_of(*corpus, "train_dia0_utt1").emotion, "happy");
  EXPECT_EQ(info_of(*corpus, "dev_dia0_utt0").split, "validation");
  EXPECT_EQ(info_of(*corpus, "dev_dia0_utt0").emotion, "angry");
  EXPECT_EQ(info_of(*corpus, "test_dia0_utt0").split, "test");
  EXPECT_EQ(corpus->read(*corpus->find("dev_dia0_utt0"))->audio.samples,  // not the train folder's file of that name
            read_audio_file(root() / "dev_splits_complete/dia0_utt0.wav")->samples);
  EXPECT_NE(corpus->read(*corpus->find("dev_dia0_utt0"))->audio.samples,
            corpus->read(*corpus->find("train_dia0_utt0"))->audio.samples);
  ImportOptions named = options("meld");
  named.splits.test_speakers = {"Ross"};
  EXPECT_THAT(import_corpus(named).error().message, HasSubstr("has its own split"));
}

TEST_F(Release, MeldVideosNeedTheirSoundExtracted) {
  put_text(root() / "test_sent_emo.csv",
           std::string(kMeldHeader) + "1,Good.,Rachel,joy,positive,0,0,2,7,\"0:1,1\",\"0:1,2\"\n");
  put_text(root() / "output_repeated_splits_test/dia0_utt0.mp4", "ftypisom");
  const auto report = import_corpus(options("meld"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(report.error().message, HasSubstr("dia0_utt0.mp4 is a video; extract its sound first"));
  EXPECT_THAT(report.error().message, HasSubstr("ffmpeg -nostdin"));
}

void put_crema_d(const std::filesystem::path& root) {
  for (const char* clip : {"1001_IEO_NEU_XX", "1001_IEO_HAP_LO", "1002_WSI_ANG_HI"}) {
    put_tone(root / "AudioWAV" / (std::string(clip) + ".wav"));
  }
  put_tone(root / "AudioWAV/1001_XXX_NEU_XX.wav");
  put_text(root / "VideoDemographics.csv",
           "\"ActorID\",\"Age\",\"Sex\",\"Race\",\"Ethnicity\"\n1001,51,\"Male\",\"Caucasian\",\"Not Hispanic\"\n"
           "1002,21,\"Female\",\"Caucasian\",\"Not Hispanic\"\n");
  put_text(root / "processedResults/summaryTable.csv",
           "\"\",\"FileName\",\"VoiceVote\",\"VoiceLevel\",\"FaceVote\",\"FaceLevel\",\"MultiModalVote\","
           "\"MultiModalLevel\"\n\"1\",\"1001_IEO_NEU_XX\",\"N\",\"69.1\",\"N\",\"92.22\",\"N\",\"64.78\"\n"
           "\"2\",\"1001_IEO_HAP_LO\",\"N\",\"71.67\",\"H\",\"57\",\"H\",\"57.38\"\n"
           "\"3\",\"1002_WSI_ANG_HI\",\"A:D\",\"71.67:1\",\"H\",\"57\",\"H\",\"57.38\"\n");
  put_text(root / "processedResults/tabulatedVotes.csv",
           "\"\",\"A\",\"D\",\"F\",\"H\",\"N\",\"S\",\"fileName\",\"numResponses\",\"agreement\",\"emoVote\"\n"
           "\"100001\",0,0,0,1,10,0,\"1001_IEO_NEU_XX\",11,0.909090909090909,\"N\"\n"
           "\"200001\",0,0,0,0,9,0,\"1001_IEO_NEU_XX\",9,1,\"N\"\n"
           "\"300001\",0,0,0,2,9,0,\"1001_IEO_NEU_XX\",11,0.8,\"N\"\n");
}

TEST_F(Release, CremaDWithVotes) {
  put_crema_d(root());
  const ImportReport report = import_ok(options("crema-d"));
  EXPECT_EQ(report.imported, 3u);
  EXPECT_THAT(reason_for(report, "AudioWAV/1001_XXX_NEU_XX.wav"), HasSubstr("no sentence \"XXX\""));
  const auto corpus = open_ok(dir_ / "c.h5");
  const UtteranceInfo& neutral = info_of(*corpus, "1001_IEO_NEU_XX");
  EXPECT_EQ(neutral.transcript, "It's eleven o'clock.");
  EXPECT_EQ(neutral.gender, "male");
  EXPECT_EQ(neutral.age_group, "middle-aged");
  EXPECT_EQ(extra_of(neutral)["votes"]["voice"]["N"], 10);
  EXPECT_EQ(extra_of(neutral)["votes"]["face"]["N"], 9);
  EXPECT_EQ(extra_of(neutral)["votes"]["audiovisual"]["H"], 2);
  EXPECT_EQ(info_of(*corpus, "1001_IEO_HAP_LO").emotion, "happy");
  EXPECT_EQ(extra_of(info_of(*corpus, "1001_IEO_HAP_LO"))["voice_majority"], "N");
  EXPECT_EQ(info_of(*corpus, "1002_WSI_ANG_HI").gender, "female");
}

TEST_F(Release, CremaDLabelsAsListenersHeardThem) {
  put_crema_d(root());
  ImportOptions voted = options("crema-d");
  voted.crema_d_labels = CremaDLabels::kVoted;
  const ImportReport report = import_ok(voted);
  EXPECT_EQ(report.imported, 2u);
  EXPECT_EQ(count_of(report, "tie"), 1);
  const auto corpus = open_ok(dir_ / "c.h5");
  EXPECT_EQ(info_of(*corpus, "1001_IEO_HAP_LO").emotion, "neutral");
  EXPECT_EQ(extra_of(info_of(*corpus, "1001_IEO_HAP_LO"))["intended"], "HAP");
  std::filesystem::remove_all(root() / "processedResults");
  EXPECT_THAT(import_corpus(voted).error().message, HasSubstr("voted needs processedResults/summaryTable.csv"));
}

TEST_F(Release, JsonlKeepsWhatItDoesNotKnow) {
  put_tone(root() / "clips/a.wav", 200);
  put_tone(root() / "clips/b.flac", 210);
  put_tone(root() / "clips/c.wav", 220);
  put_text(
      root() / "rows.jsonl",
      R"({"audio_path":"clips/a.wav","transcription":"So  what?","emotion":"Joy","speaker":7,"gender":"F","age":34,"split":"dev","mic":"left","votes":{"joy":3}})"
      "\n\n"
      R"({"audio_path":"clips/b.flac","transcription":null,"emotion":"contempt or disgust","id":"bee","age":"Elderly","language":"en"})"
      "\n"
      R"({"audio_path":"clips/c.wav","emotion":"boredom"})"
      "\n{broken\n"
      R"({"audio_path":"clips/none.wav","emotion":"sad"})"
      "\n"
      R"({"audio_path":"clips/c.wav"})"
      "\n"
      R"({"audio_path":"clips/c.wav","emotion":"sad","split":"holdout"})"
      "\n"
      R"({"audio_path":"clips/c.wav","emotion":"sad","language":"English"})"
      "\n"
      R"({"audio_path":["clips/c.wav"],"emotion":"sad"})"
      "\n"
      R"({"audio_path":"clips/c.wav","emotion":"sad","id":"bee"})"
      "\n");
  const ImportReport report = import_ok(options("jsonl"));
  EXPECT_EQ(report.imported, 2u);
  EXPECT_EQ(count_of(report, "boredom"), 1);
  EXPECT_THAT(reason_for(report, "rows.jsonl:5"), HasSubstr("malformed row"));
  EXPECT_THAT(reason_for(report, "rows.jsonl:6"), HasSubstr("none.wav is not there"));
  EXPECT_THAT(reason_for(report, "rows.jsonl:7"), HasSubstr("no label"));
  EXPECT_THAT(reason_for(report, "rows.jsonl:8"), HasSubstr("\"holdout\"; expected train, validation or test"));
  EXPECT_THAT(reason_for(report, "rows.jsonl:10"), HasSubstr("expected text"));
  EXPECT_EQ(report.problems.size(), 7u);
  const auto corpus = open_ok(dir_ / "c.h5");
  const UtteranceInfo& first = info_of(*corpus, "clips_a");
  EXPECT_EQ(first.transcript, "So what?");
  EXPECT_EQ(first.emotion, "happy");
  EXPECT_EQ(first.source_label, "Joy");
  EXPECT_EQ(first.speaker, "7");
  EXPECT_EQ(first.gender, "female");
  EXPECT_EQ(first.age_group, "young adult");
  EXPECT_EQ(first.split, "validation");
  EXPECT_EQ(extra_of(first),
            (nlohmann::json{{"mic", "left"}, {"votes", {{"joy", 3}}}, {"age", 34}, {"path", "clips/a.wav"}}));
  EXPECT_EQ(info_of(*corpus, "bee").age_group, "elderly");
  EXPECT_EQ(info_of(*corpus, "bee").emotion, "contempt or disgust");

  ImportOptions one_file = options("jsonl");
  one_file.root = root() / "rows.jsonl";
  one_file.label_map = {"boredom=neutral"};
  EXPECT_EQ(import_ok(one_file).imported, 3u);
}

}  // namespace
}  // namespace prosodia
