#include "harness/subject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "fsqlshm/shared_memory_layout.h"
#include "harness/guarded.h"
#include "harness/properties/execution.h"

namespace fsqlshm::harness {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::filesystem::path path_of(std::string_view name) {
  return std::filesystem::path(FSQLSHM_SUBJECTS) / (std::string(name) + ".so");
}

Subject load(std::string_view name) {
  auto subject = Subject::load(path_of(name));
  if (!subject) throw std::runtime_error(subject.error());
  return *subject;
}

// Why a subject is refused, without its path.
std::string refused(std::string_view name) {
  const auto subject = Subject::load(path_of(name), std::chrono::milliseconds(500));
  if (subject) return "loaded";
  const std::string prefix = "subject " + path_of(name).string() + ": ";
  EXPECT_THAT(subject.error(), StartsWith(prefix));
  return subject.error().substr(prefix.size());
}

TEST(Subject, OursAreLoadedAndSayWhoTheyAre) {
  const Subject hardened = load("hardened");
  EXPECT_EQ(hardened.name(), "hardened.so");
  EXPECT_THAT(hardened.implementation(), HasSubstr("hardened"));
  EXPECT_EQ(hardened.promises().size(), 10U);
  EXPECT_TRUE(hardened.known_defects().empty());
  EXPECT_NE(hardened->clear_serialized_writer, nullptr);

  const Subject reference = load("reference");
  EXPECT_THAT(reference.implementation(), HasSubstr("reference"));
  EXPECT_FALSE(reference.promises(FSQLSHM_P1_EXCLUSION));
  EXPECT_TRUE(reference.promises(FSQLSHM_SNAPSHOT));
  EXPECT_THAT(reference.known_defects(), ElementsAre("D1", "D2", "D3", "D4", "D5", "D6"));
  EXPECT_EQ(reference->clear_serialized_writer, nullptr);
  EXPECT_NE(reference.checksum(), hardened.checksum());
  const nlohmann::json description = reference.describe();
  EXPECT_EQ(description["checksum"], reference.checksum());
  EXPECT_THAT(description["promises"], ElementsAre(kP6, "whole snapshots", "unique ids"));
}

TEST(Subject, TheSharedLibraryIsOne) {
  const auto library = Subject::load(FSQLSHM_LIBRARY);
  ASSERT_TRUE(library) << library.error();
  EXPECT_THAT(library->implementation(), HasSubstr("hardened"));
}

TEST(Subject, ItsChecksumIsThatOfTheFile) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("fsqlshm_subject_test." + std::to_string(::getpid()));
  std::filesystem::copy_file(path_of("hardened"), file);
  const auto before = Subject::load(file)->checksum();
  EXPECT_EQ(before, load("hardened").checksum());
  EXPECT_THAT(before, testing::MatchesRegex("[0-9a-f]{32}"));
  std::ofstream(file, std::ios::app) << 'x';
  EXPECT_NE(Subject::load(file)->checksum(), before);
  std::filesystem::remove(file);
}

TEST(Subject, WordsAreWhereTheyWereFound) {
  const Subject subject = load("hardened");
  const SubjectMemory memory(subject);
  SharedMemoryLayout expected(*PageSize::from_raw(512), 3);
  std::uint64_t value = 1000;
  for (const Field field : kAtomicFields) {
    expected.words().store(field, ++value, std::memory_order::relaxed);
  }
  const HeaderBytes bytes = expected.to_bytes();
  ASSERT_EQ(subject->open(memory.header(), bytes.data(), bytes.size(), nullptr), FSQLSHM_OK);
  for (const Field field : kAtomicFields) {
    EXPECT_EQ(memory.load(subject, field), expected.words().load(field, std::memory_order::relaxed))
        << field_name(field);
  }
  memory.store(subject, Field::kGcHorizon, 77);
  EXPECT_EQ(subject->load_gc_horizon(memory.header()), 77U);
}

TEST(Subject, AFileThatIsNoneIsRefused) {
  EXPECT_EQ(refused("no-such-file"), "is no file");
  EXPECT_THAT(refused("no-version"), StartsWith("exports no fsqlshm_interface_version"));
  const auto text = Subject::load(path_of("CTestTestfile").replace_extension(".cmake"));
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error(), HasSubstr("invalid ELF header"));
}

TEST(Subject, WhatItLacksIsNamed) {
  EXPECT_EQ(refused("no-open"), "does not export fsqlshm_header_open");
  EXPECT_EQ(refused("other-version"), "has interface version 2, expected 1");
  EXPECT_EQ(refused("too-large"), "fsqlshm_header_size: found 5000 bytes, expected 80 to 4096");
  EXPECT_EQ(refused("odd-alignment"),
            "fsqlshm_header_alignment: found 24, expected a power of two from 8 to 4096");
}

TEST(Subject, ACrashOrALoopInItsFirstCallsIsAnError) {
  EXPECT_EQ(refused("crashes-on-open"), "crashed in fsqlshm_header_open: died of signal 11");
  EXPECT_EQ(refused("hangs-on-create"),
            "hung in fsqlshm_header_create: gave no sign of life for 0.5 s");
}

TEST(Subject, WordsThatCannotBeToldAreAnError) {
  EXPECT_EQ(refused("two-copies"),
            "its header holds next_txn_id at the offsets 24, 280: its atomic words must be whole, "
            "aligned, and there once");
  EXPECT_THAT(refused("shows-other-words"), StartsWith("fsqlshm_header_to_bytes does not show"));
}

TEST(Subject, AFindingIsExpectedIfKnownOrNotPromised) {
  const Subject hardened = load("hardened");
  const Subject reference = load("reference");
  for (const std::string_view property : {kP1, kP6, kI2Whole, kIdUnique, kBusyProperty}) {
    EXPECT_EQ(hardened.severity(property, "D3"), "violation") << property;
  }
  EXPECT_EQ(reference.severity(kP1, ""), "expected");
  EXPECT_EQ(reference.severity(kP6, ""), "violation");
  EXPECT_EQ(reference.severity(kP6, "D2"), "expected");
  EXPECT_EQ(reference.severity(kP6, "D7"), "violation");
  EXPECT_EQ(reference.severity(kIdOrder, ""), "violation");
  EXPECT_EQ(reference.severity(kBusyProperty, ""), "expected");
  EXPECT_EQ(reference.severity("calls return", ""), "violation");
}

TEST(SubjectMemory, SeesWritesNextToTheHeader) {
  const Subject subject = load("writes-outside");
  const SubjectMemory memory(subject);
  ASSERT_EQ(subject->create(memory.header(), 4096, 0, nullptr), FSQLSHM_OK);
  subject->publish_snapshot(memory.header(), {1, 2, 3});
  EXPECT_EQ(memory.written_outside(), std::nullopt);
  subject->store_gc_horizon(memory.header(), 5);
  EXPECT_EQ(memory.written_outside(), "it wrote 8 bytes before its header");
}

TEST(SubjectMemory, EndsAtAPageThatCannotBeTouched) {
  const Subject subject = load("writes-far-outside");
  const SubjectMemory memory(subject);
  ASSERT_EQ(subject->create(memory.header(), 4096, 0, nullptr), FSQLSHM_OK);
  const auto result = guarded([&](Doing& doing) -> std::string {
    doing("fsqlshm_header_store_gc_horizon");
    subject->store_gc_horizon(memory.header(), 5);
    return "";
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, GuardedFailure::Kind::kCrashed);
  EXPECT_EQ(memory.describe(result.error().address), "0 bytes behind the end of its header");
  EXPECT_EQ(memory.describe(&memory), std::nullopt);
}

TEST(SubjectMemory, WatchesWhatAlignmentLeavesOver) {
  const SubjectMemory memory(100, 64);
  const std::span bytes = memory.bytes();
  bytes.data()[99] = std::byte{1};
  EXPECT_EQ(memory.written_outside(), std::nullopt);
  bytes.data()[100] = std::byte{1};
  EXPECT_EQ(memory.written_outside(), "it wrote 0 bytes behind the end of its header");
}

TEST(SubjectMemory, IsSharedWithChildren) {
  const Subject subject = load("hardened");
  const SubjectMemory memory(subject);
  ASSERT_EQ(subject->create(memory.header(), 4096, 0, nullptr), FSQLSHM_OK);
  const auto id =
      guarded([&](Doing&) { return std::to_string(subject->alloc_txn_id(memory.header())); });
  EXPECT_EQ(id, "1");
  EXPECT_EQ(subject->alloc_txn_id(memory.header()), 2U);
}

}  // namespace
}  // namespace fsqlshm::harness
