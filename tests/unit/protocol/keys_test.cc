#include "orchestrator/protocol/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace prosodia::protocol {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class Keys : public ::testing::Test {
 protected:
  Keys() {
    fs::remove_all(dir_);
    const Status made = generate_keys(dir_);
    EXPECT_TRUE(made) << made.error().message;
  }
  std::string error_of(Principal self) {
    const auto loaded = load_credentials(dir_, self);
    if (loaded) return "loaded";
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidInput);
    return loaded.error().message;
  }
  const fs::path dir_ = fs::path(::testing::TempDir()) /
                        ("keys_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(Keys, OnePairARoleInFilesOnlyTheirOwnerReads) {
  const auto list = AllowList::load(dir_ / "allow_list");
  ASSERT_TRUE(list) << list.error().message;
  for (const Principal self : kPrincipals) {
    struct stat info {};
    ASSERT_EQ(::stat((dir_ / (std::string(name(self)) + ".key")).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u) << name(self);
    const auto credentials = load_credentials(dir_, self);
    ASSERT_TRUE(credentials) << credentials.error().message;
    EXPECT_EQ(list->find((*credentials)->public_key), self);
    EXPECT_EQ(text_of(dir_ / "allow_list").find((*credentials)->secret_key.z85()), std::string::npos);
  }
}

TEST_F(Keys, ASecretThatOthersCanReadIsNotUsed) {
  for (const auto bits : {fs::perms::group_read, fs::perms::others_read, fs::perms::group_write}) {
    fs::permissions(dir_ / "rollout.key", fs::perms::owner_read | fs::perms::owner_write | bits);
    EXPECT_NE(error_of(Principal::kRollout).find("chmod 600"), std::string::npos);
  }
  fs::permissions(dir_ / "rollout.key", fs::perms::owner_read);
  EXPECT_EQ(error_of(Principal::kRollout), "loaded");
}

TEST_F(Keys, ExistingKeysAreNotOverwritten) {
  const std::string before = text_of(dir_ / "learner.key");
  const Status again = generate_keys(dir_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kUsage);
  EXPECT_EQ(text_of(dir_ / "learner.key"), before);
}

TEST_F(Keys, RotationKeepsTheOldPublicKeyAllowed) {
  const std::string before = (*load_credentials(dir_, Principal::kReward))->public_key;
  ASSERT_TRUE(rotate_key(dir_, Principal::kReward));
  const std::string after = (*load_credentials(dir_, Principal::kReward))->public_key;
  EXPECT_NE(after, before);
  EXPECT_EQ(AllowList::load(dir_ / "allow_list")->keys_of(Principal::kReward),
            (std::vector<std::string>{after, before}));
}

TEST_F(Keys, DamagedFilesAreNamedAndNeverQuoted) {
  const std::string secret = (*load_credentials(dir_, Principal::kLearner))->secret_key.z85();
  std::string text = text_of(dir_ / "learner.key");
  std::ofstream(dir_ / "learner.key") << text << secret << "\n";  // a stray line
  std::string error = error_of(Principal::kLearner);
  EXPECT_NE(error.find("learner.key:4"), std::string::npos) << error;
  EXPECT_EQ(error.find(secret), std::string::npos);
  // Another role's public key beside this secret.
  const std::string mine = (*load_credentials(dir_, Principal::kRollout))->public_key;
  text.replace(text.find("public ") + 7, 40, mine);
  std::ofstream(dir_ / "learner.key") << text;
  error = error_of(Principal::kLearner);
  EXPECT_NE(error.find("do not belong together"), std::string::npos) << error;
  fs::remove(dir_ / "learner.key");
  EXPECT_NE(error_of(Principal::kLearner).find("prosodia keygen"), std::string::npos);
}

TEST_F(Keys, AllowListNamesTheBadLine) {
  const std::string key = (*load_credentials(dir_, Principal::kRollout))->public_key;
  const auto error = [](const std::string& text) {
    const auto list = AllowList::parse(text, "list");
    return list ? std::string("parsed") : list.error().message;
  };
  EXPECT_EQ(error("# comment\n\nrollout " + key + "\n"), "parsed");
  EXPECT_NE(error("rollout short\n").find("list:1"), std::string::npos);
  EXPECT_NE(error("# a\nactor " + key + "\n").find("list:2"), std::string::npos);
  EXPECT_NE(error("rollout " + key + "\nreward " + key).find("one role"), std::string::npos);
}

}  // namespace
}  // namespace prosodia::protocol
