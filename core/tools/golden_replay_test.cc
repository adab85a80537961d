#include "tools/golden_replay.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "fsqlshm/protocol.h"

namespace fsqlshm::golden {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A private copy of the vectors, to be damaged.
class Golden : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fsqlshm_golden.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* file : {"headers.jsonl", "open.jsonl", "traces.jsonl"}) {
      std::filesystem::copy_file(std::filesystem::path(GOLDEN_FOLDER) / file, folder_ / file);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const char* file, const std::string& text) const {
    std::ofstream(folder_ / file, std::ios::trunc) << text;
  }

  // Changes the vector in one line of a file.
  void edit(const char* file, std::size_t line, const std::function<void(json&)>& change) const {
    std::vector<std::string> lines = lines_of(folder_ / file);
    json vector = json::parse(lines.at(line));
    change(vector);
    lines[line] = vector.dump();
    std::string text;
    for (const std::string& each : lines) text += each + "\n";
    write(file, text);
  }

  std::string error() const {
    try {
      (void)replay<HardenedProtocol>(folder_);
    } catch (const BadVectors& bad) {
      return bad.what();
    }
    return "";
  }

  // Exit status of the program on the folder.
  int program() const {
    const std::string command =
        std::string(GOLDEN_PROGRAM) + " " + folder_.string() + " >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::filesystem::path folder_;
};

// Flips the last hexadecimal digit of some bytes.
void flip(json& bytes, std::size_t digit) {
  auto text = bytes.get<std::string>();
  text[digit] = text[digit] == '0' ? '1' : '0';
  bytes = text;
}

template <class Protocol>
void expect_all_match(const std::filesystem::path& folder) {
  const Report report = replay<Protocol>(folder);
  EXPECT_EQ(report.headers, 160U);
  EXPECT_EQ(report.opens, 400U);
  EXPECT_EQ(report.traces, 120U);
  EXPECT_EQ(report.steps, 2138U);
  EXPECT_EQ(report.differences, 0U) << report.first_difference;
}

TEST_F(Golden, AllMatchOnBothProtocols) {
  expect_all_match<ReferenceProtocol>(folder_);
  expect_all_match<HardenedProtocol>(folder_);
  EXPECT_EQ(program(), 0);
}

TEST_F(Golden, ADifferentReturnValueIsFoundAndNamed) {
  edit("traces.jsonl", 0, [](json& v) { v["ops"][0]["ret"] = 99; });
  const Report report = replay<HardenedProtocol>(folder_);
  EXPECT_EQ(report.differences, 1U);
  EXPECT_THAT(report.first_difference, HasSubstr("traces.jsonl:1 step 0: alloc_txn_id[]"));
  EXPECT_THAT(report.first_difference, HasSubstr("return value: found 1, expected 99"));
  EXPECT_EQ(program(), 1);
}

TEST_F(Golden, ADifferentByteAfterAStepIsFoundAndNamed) {
  edit("traces.jsonl", 4, [](json& v) { flip(v["ops"].back()["bytes"], 2 * 64 + 1); });
  const Report report = replay<ReferenceProtocol>(folder_);
  EXPECT_EQ(report.differences, 1U);
  EXPECT_THAT(report.first_difference, HasSubstr("gc_horizon"));
  EXPECT_THAT(report.first_difference, HasSubstr("offset  64"));
}

TEST_F(Golden, EveryByteOfAHeaderIsCompared) {
  write("traces.jsonl",
        lines_of(GOLDEN_FOLDER "/traces.jsonl")[0] + "\n");  // the rest only takes time
  write("open.jsonl", lines_of(GOLDEN_FOLDER "/open.jsonl")[0] + "\n");
  const std::string header = lines_of(GOLDEN_FOLDER "/headers.jsonl")[3];
  for (std::size_t byte = 0; byte < 216; ++byte) {
    json changed = json::parse(header);
    flip(changed["bytes"], 2 * byte);
    write("headers.jsonl", changed.dump() + "\n");
    EXPECT_EQ(replay<HardenedProtocol>(folder_).differences, 1U) << "byte " << byte;
  }
}

TEST_F(Golden, EveryDerivedFieldOfAHeaderIsCompared) {
  for (const char* field :
       {"max_txn_slots", "lock_table_offset", "witness_offset", "txn_slot_offset",
        "committed_readers_offset", "committed_readers_bytes", "layout_checksum"}) {
    edit("headers.jsonl", 3, [&](json& v) { v[field] = 12345; });
    const Report report = replay<HardenedProtocol>(folder_);
    EXPECT_EQ(report.differences, 1U);
    EXPECT_THAT(report.first_difference, HasSubstr(field));
    edit("headers.jsonl", 3,
         [&](json& v) { v = json::parse(lines_of(GOLDEN_FOLDER "/headers.jsonl")[3]); });
  }
}

TEST_F(Golden, ADifferentOpenResultIsFound) {
  edit("open.jsonl", 0, [](json& v) { v["result"] = "bad_magic"; });
  edit("open.jsonl", 1, [](json& v) { v["result"] = "ok"; });
  EXPECT_EQ(replay<HardenedProtocol>(folder_).differences, 2U);
}

TEST_F(Golden, AMissingFileIsAnErrorNotAPass) {
  for (const char* file : {"headers.jsonl", "open.jsonl", "traces.jsonl"}) {
    std::filesystem::remove(folder_ / file);
    EXPECT_THAT(error(), HasSubstr(file));
    EXPECT_EQ(program(), 2);
    std::filesystem::copy_file(std::filesystem::path(GOLDEN_FOLDER) / file, folder_ / file);
  }
  EXPECT_EQ(program(), 0);
}

TEST_F(Golden, AnEmptyFileIsAnErrorNotAPass) {
  write("traces.jsonl", "");
  EXPECT_THAT(error(), HasSubstr("no vectors"));
  EXPECT_EQ(program(), 2);
}

TEST_F(Golden, MalformedVectorsAreErrorsWithFileAndLine) {
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"traces.jsonl", "{"},
      {"traces.jsonl", "[]"},
      {"traces.jsonl", "{}"},
      {"traces.jsonl", R"({"id":0,"initial":"00","ops":[]})"},
      {"open.jsonl", R"({"bytes":"0","result":"ok"})"},
      {"open.jsonl", R"({"bytes":"zz","result":"ok"})"},
      {"open.jsonl", R"({"bytes":7,"result":"ok"})"},
      {"headers.jsonl", R"({"page_size":1000,"requested_max_txn_slots":0})"},
      {"headers.jsonl", R"({"page_size":512,"requested_max_txn_slots":-1})"},
      {"headers.jsonl", R"({"page_size":512,"requested_max_txn_slots":4294967296})"},
  };
  for (const auto& [file, text] : cases) {
    write(file, text + "\n");
    EXPECT_THAT(error(), HasSubstr(std::string(file) + ":1: ")) << text;
    EXPECT_EQ(program(), 2) << text;
    std::filesystem::copy_file(std::filesystem::path(GOLDEN_FOLDER) / file, folder_ / file,
                               std::filesystem::copy_options::overwrite_existing);
  }
}

TEST_F(Golden, UnknownOperationsAndWrongArgumentsAreErrors) {
  const std::vector<std::function<void(json&)>> damages = {
      [](json& op) { op["op"] = "no_such_operation"; },
      [](json& op) { op["args"] = json::array({1, 2, 3, 4, 5}); },
      [](json& op) { op["args"] = "x"; },
      [](json& op) { op.erase("ret"); },
      [](json& op) { op.erase("bytes"); },
      [](json& op) {
        op["op"] = "release_serialized_writer";
        op["args"] = json::array({0});
      },
  };
  for (const auto& damage : damages) {
    edit("traces.jsonl", 0, [&](json& v) { damage(v["ops"][0]); });
    EXPECT_THAT(error(), HasSubstr("traces.jsonl:1: "));
    std::filesystem::copy_file(GOLDEN_FOLDER "/traces.jsonl", folder_ / "traces.jsonl",
                               std::filesystem::copy_options::overwrite_existing);
  }
}

// The result document of the program on a subject, and its exit status.
struct SubjectRun {
  int status = -1;
  json document;
};

SubjectRun run_on_subject(const std::filesystem::path& folder, const std::string& subject) {
  const std::filesystem::path document = folder / "golden.json";
  const std::string command =
      fmt::format("{} {} --subject {} --json {} >/dev/null 2>&1", GOLDEN_PROGRAM, folder.string(),
                  subject, document.string());
  const int status = std::system(command.c_str());
  std::ifstream in(document);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, json::parse(in)};
}

std::string broken(const std::string& name) { return FSQLSHM_SUBJECTS "/" + name + ".so"; }

TEST_F(Golden, AllMatchThroughTheCInterface) {
  for (const std::string& path : {broken("hardened"), broken("reference"), std::string(LIBRARY)}) {
    const auto [status, document] = run_on_subject(folder_, path);
    EXPECT_EQ(status, 0) << document.dump(2);
    const std::string name = std::filesystem::path(path).filename();
    EXPECT_EQ(document["subject"], name);
    EXPECT_EQ(document["counts"][name + "_headers"], 160U);
    EXPECT_EQ(document["counts"][name + "_opens"], 400U);
    EXPECT_EQ(document["counts"][name + "_traces"], 120U);
    EXPECT_EQ(document["counts"][name + "_steps"], 2138U);
    EXPECT_EQ(document["details"]["subject"]["file"], path);
  }
}

// The one finding of a subject that is broken.
json finding(const std::filesystem::path& folder, const std::string& name) {
  const auto [status, document] = run_on_subject(folder, broken(name));
  EXPECT_EQ(status, 1) << name;
  EXPECT_EQ(document["findings"].size(), 1U) << document.dump(2);
  EXPECT_EQ(document["findings"][0]["severity"], "violation");
  return document["findings"][0];
}

TEST_F(Golden, ASubjectThatAnswersDifferentlyIsFound) {
  const json found = finding(folder_, "differs");
  EXPECT_THAT(found["detail"].get<std::string>(),
              HasSubstr("alloc_txn_id[]: return value: found 2"));
  EXPECT_THAT(found["replay"].get<std::string>(), HasSubstr("--subject " + broken("differs")));
}

TEST_F(Golden, ASubjectThatCrashesIsFound) {
  const json found = finding(folder_, "crashes");
  EXPECT_EQ(found["title"], "crashed in fsqlshm_header_alloc_txn_id");
  EXPECT_THAT(found["detail"].get<std::string>(), HasSubstr("traces.jsonl:1 step 0"));
}

TEST_F(Golden, ASubjectThatForksOrClosesDescriptorsIsFound) {
  const json forked = finding(folder_, "forks");
  EXPECT_EQ(forked["title"], "forked in fsqlshm_header_alloc_txn_id");
  EXPECT_THAT(forked["detail"].get<std::string>(), HasSubstr("traces.jsonl:1 step 0"));
  const json closed = finding(folder_, "closes");
  EXPECT_EQ(closed["title"], "closed descriptors in fsqlshm_header_alloc_txn_id");
  EXPECT_EQ(closed["property"], "a call leaves its process as it is");
}

TEST_F(Golden, ASubjectThatHangsIsFound) {
  EXPECT_EQ(finding(folder_, "hangs")["title"], "hung in fsqlshm_header_publish_snapshot");
}

TEST_F(Golden, ASubjectThatWritesOutsideOfItsHeaderIsFound) {
  EXPECT_EQ(finding(folder_, "writes-outside")["detail"], "it wrote 8 bytes before its header");
  EXPECT_THAT(finding(folder_, "writes-far-outside")["detail"].get<std::string>(),
              HasSubstr("touching 0 bytes behind the end of its header"));
}

TEST_F(Golden, ASubjectThatIsNoneCouldNotRun) {
  const auto [status, document] = run_on_subject(folder_, broken("other-version"));
  EXPECT_EQ(status, 2);
  EXPECT_THAT(document["reason"].get<std::string>(),
              testing::EndsWith("other-version.so: has interface version 2, expected 1"));
  std::filesystem::remove(folder_ / "open.jsonl");
  EXPECT_EQ(run_on_subject(folder_, broken("hardened")).status, 2);
}

TEST_F(Golden, BadFlagsCouldNotRun) {
  for (const char* flags :
       {"", "--no-such-flag", "x --protocol both-of-them", "x y", "x --subject /nowhere.so",
        GOLDEN_FOLDER " --protocol hardened --subject " LIBRARY}) {
    const std::string command = fmt::format("{} {} >/dev/null 2>&1", GOLDEN_PROGRAM, flags);
    EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 2) << flags;
  }
  EXPECT_EQ(WEXITSTATUS(std::system((std::string(GOLDEN_PROGRAM) + " --help >/dev/null").c_str())),
            0);
}

}  // namespace
}  // namespace fsqlshm::golden
