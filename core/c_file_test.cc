// The C interface to files, linked statically. What a file promises is tested elsewhere; here it is that
// each function reaches it, and that nothing of C++ gets out.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>

#include "fsqlshm/shm_file.h"
#include "fsqlshm_file.h"

namespace fsqlshm {
namespace {

constexpr fsqlshm_snapshot kTriple = {.commit_seq = 1, .schema_epoch = 2, .ecs_epoch = 3};

// What `recover` is to do, and whether it was asked.
struct Recovery {
  fsqlshm_durable_state state = {.snapshot = {7, 8, 9}, .next_txn_id = 100};
  std::int32_t answer = 0;
  bool throws = false;
  int asked = 0;

  static std::int32_t run(void* context, fsqlshm_durable_state* state) {
    auto& self = *static_cast<Recovery*>(context);
    ++self.asked;
    if (self.throws) throw std::runtime_error("from a callback in C++");
    *state = self.state;
    return self.answer;
  }
};

void expect_triple(const fsqlshm_file* file) {
  const fsqlshm_snapshot seen = fsqlshm_file_load_consistent_snapshot(file);
  EXPECT_EQ(seen.commit_seq, kTriple.commit_seq);
  EXPECT_EQ(seen.schema_epoch, kTriple.schema_epoch);
  EXPECT_EQ(seen.ecs_epoch, kTriple.ecs_epoch);
}

class CFile : public testing::Test {
 protected:
  CFile() {
    std::string pattern = std::filesystem::temp_directory_path() / "fsqlshm_c_file.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "foo.db.fsqlite-shm";
    fsqlshm_file_options_init(&options_, sizeof(options_));
  }
  ~CFile() override { std::filesystem::remove_all(folder_); }

  fsqlshm_file* create() {
    fsqlshm_file* file = nullptr;
    EXPECT_EQ(fsqlshm_file_create(path_.c_str(), &options_, &file, &error_), FSQLSHM_OK) << text();
    return file;
  }
  fsqlshm_code open(fsqlshm_file*& file) {
    return fsqlshm_file_open(path_.c_str(), &options_, &file, &error_);
  }
  void recover_with(Recovery& recovery) {
    options_.recover = Recovery::run;
    options_.recover_context = &recovery;
  }
  [[nodiscard]] std::string text() const {
    std::array<char, 200> text{};
    fsqlshm_error_message(&error_, text.data(), text.size());
    return text.data();
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  fsqlshm_file_options options_{};
  fsqlshm_error error_{};
};

TEST_F(CFile, OptionsHaveTheDefaultsOfTheLibrary) {
  EXPECT_EQ(options_.size, sizeof(options_));
  EXPECT_EQ(options_.page_size, 4096U);
  EXPECT_EQ(options_.max_txn_slots, 0U);
  EXPECT_EQ(options_.mode, 0600U);
  EXPECT_EQ(options_.uid, FSQLSHM_KEEP_OWNER);
  EXPECT_EQ(options_.gid, FSQLSHM_KEEP_OWNER);
  EXPECT_FALSE(options_.trust_found_state);
  EXPECT_EQ(options_.recover, nullptr);
}

TEST_F(CFile, OptionsOfACallerWithFewerMembersAreNotOverrun) {
  options_.recover_context = this;
  fsqlshm_file_options_init(&options_, offsetof(fsqlshm_file_options, recover_context));
  EXPECT_EQ(options_.recover_context, this);
  fsqlshm_file* file = nullptr;
  EXPECT_EQ(fsqlshm_file_create(path_.c_str(), &options_, &file, &error_),
            FSQLSHM_INVALID_ARGUMENT);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CFile, OptionsReachTheFile) {
  options_.page_size = 512;
  options_.max_txn_slots = 7;
  options_.mode = 0640;
  fsqlshm_file* const file = create();
  fsqlshm_geometry geometry{};
  fsqlshm_file_geometry(file, &geometry);
  EXPECT_EQ(geometry.page_size, 512U);
  EXPECT_EQ(geometry.max_txn_slots, 7U);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
  std::size_t size = 0;
  EXPECT_NE(fsqlshm_file_regions(file, &size), nullptr);
  EXPECT_GE(size, geometry.committed_readers_offset + geometry.committed_readers_bytes - 216);
  EXPECT_EQ(fsqlshm_file_close(file, nullptr), FSQLSHM_OK);

  options_.page_size = 1000;
  fsqlshm_file* none = file;
  EXPECT_EQ(fsqlshm_file_create((path_.string() + "2").c_str(), &options_, &none, &error_),
            FSQLSHM_INVALID_PAGE_SIZE);
  EXPECT_EQ(none, nullptr);
}

TEST_F(CFile, TheAccessIsThatOfTheDatabase) {
  const std::string database = folder_ / "foo.db";
  EXPECT_EQ(fsqlshm_file_options_access_of(&options_, database.c_str(), &error_),
            FSQLSHM_FILE_OPEN);
  EXPECT_EQ(error_.found, static_cast<std::uint64_t>(ENOENT));
  std::ofstream(database) << "x";
  ASSERT_EQ(::chmod(database.c_str(), 0604), 0);
  // Who may give files away can tell the two apart.
  const bool is_root = ::geteuid() == 0;
  ASSERT_TRUE(!is_root || ::chown(database.c_str(), 3, 4) == 0);
  ASSERT_EQ(fsqlshm_file_options_access_of(&options_, database.c_str(), &error_), FSQLSHM_OK);
  EXPECT_EQ(options_.mode, 0604U);
  EXPECT_EQ(options_.uid, is_root ? 3 : ::geteuid());
  EXPECT_EQ(options_.gid, is_root ? 4 : ::getegid());
  fsqlshm_file_close(create(), nullptr);
  struct stat made = {};
  ASSERT_EQ(::stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777U, 0604U);
  EXPECT_EQ(made.st_uid, options_.uid);
  EXPECT_EQ(made.st_gid, options_.gid);
}

TEST_F(CFile, ErrorsOfOpening) {
  fsqlshm_file* file = reinterpret_cast<fsqlshm_file*>(this);
  EXPECT_EQ(open(file), FSQLSHM_FILE_OPEN);
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(error_.found, static_cast<std::uint64_t>(ENOENT));
  EXPECT_EQ(fsqlshm_file_open(nullptr, nullptr, &file, nullptr), FSQLSHM_INVALID_ARGUMENT);
  // Nothing of the error before is left in the next one.
  error_ = {.code = FSQLSHM_FENCED, .reserved = 1, .found = 2, .expected = 3};
  EXPECT_EQ(fsqlshm_file_open(nullptr, nullptr, &file, &error_), FSQLSHM_INVALID_ARGUMENT);
  EXPECT_EQ(error_.code, FSQLSHM_INVALID_ARGUMENT);
  EXPECT_EQ(error_.reserved, 0);
  EXPECT_EQ(error_.found, 0U);
  EXPECT_EQ(error_.expected, 0U);
  EXPECT_EQ(fsqlshm_file_open(path_.c_str(), nullptr, nullptr, nullptr), FSQLSHM_INVALID_ARGUMENT);
  EXPECT_EQ(fsqlshm_file_remove(nullptr, nullptr), FSQLSHM_INVALID_ARGUMENT);
  fsqlshm_file* const first = create();
  EXPECT_EQ(fsqlshm_file_create(path_.c_str(), nullptr, &file, &error_), FSQLSHM_FILE_EXISTS);
  EXPECT_EQ(fsqlshm_file_remove(path_.c_str(), &error_), FSQLSHM_FILE_IN_USE);
  EXPECT_EQ(fsqlshm_file_close(first, nullptr), FSQLSHM_OK);
  EXPECT_EQ(open(file), FSQLSHM_NEEDS_RECOVERY);
  EXPECT_EQ(fsqlshm_file_remove(path_.c_str(), &error_), FSQLSHM_OK);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(fsqlshm_file_close(nullptr, nullptr), FSQLSHM_OK);
}

TEST_F(CFile, AFailingCloseIsReported) {
  fsqlshm_file* const file = create();
  // The program has closed the file's descriptor.
  struct stat named = {};
  ASSERT_EQ(::stat(path_.c_str(), &named), 0);
  bool closed = false;
  for (int fd = STDERR_FILENO + 1; fd < 256 && !closed; ++fd) {
    struct stat open = {};
    closed = ::fstat(fd, &open) == 0 && open.st_ino == named.st_ino && open.st_dev == named.st_dev;
    if (closed) ::close(fd);
  }
  ASSERT_TRUE(closed);
  EXPECT_EQ(fsqlshm_file_close(file, &error_), FSQLSHM_FILE_CLOSE);
  EXPECT_EQ(error_.found, static_cast<std::uint64_t>(EBADF));
}

TEST_F(CFile, TheFirstOpenerIsAskedForTheState) {
  Recovery recovery;
  recover_with(recovery);
  fsqlshm_file* file = nullptr;
  ASSERT_EQ(fsqlshm_file_open_or_create(path_.c_str(), &options_, &file, &error_), FSQLSHM_OK);
  fsqlshm_file* second = nullptr;
  ASSERT_EQ(open(second), FSQLSHM_OK);
  EXPECT_EQ(recovery.asked, 1);
  const fsqlshm_snapshot found = fsqlshm_file_load_consistent_snapshot(second);
  EXPECT_EQ(found.commit_seq, 7U);
  EXPECT_EQ(found.schema_epoch, 8U);
  EXPECT_EQ(found.ecs_epoch, 9U);
  EXPECT_EQ(fsqlshm_file_alloc_txn_id(second), 100U);
  fsqlshm_file_close(file, nullptr);
  fsqlshm_file_close(second, nullptr);
}

TEST_F(CFile, ARecoveryThatFailsFailsTheOpen) {
  fsqlshm_file_close(create(), nullptr);
  fsqlshm_file* file = nullptr;
  Recovery recovery = {.answer = 42};
  recover_with(recovery);
  EXPECT_EQ(open(file), FSQLSHM_RECOVER_FAILED);
  EXPECT_EQ(error_.found, 42U);
  recovery = {.state = {.snapshot = {}, .next_txn_id = 0}};
  EXPECT_EQ(open(file), FSQLSHM_TXN_ID_OUT_OF_DOMAIN);
  recovery = {.throws = true};
  EXPECT_EQ(open(file), FSQLSHM_UNEXPECTED);
  EXPECT_EQ(recovery.asked, 1);
  recovery = {};
  EXPECT_EQ(open(file), FSQLSHM_OK) << text();
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, PublishesUnderTheLock) {
  fsqlshm_file* const file = create();
  fsqlshm_file* other = nullptr;
  ASSERT_EQ(open(other), FSQLSHM_OK);
  fsqlshm_publication* publication = nullptr;
  ASSERT_EQ(fsqlshm_file_lock_publication(file, &publication, &error_), FSQLSHM_OK);
  bool locked = false;
  EXPECT_EQ(fsqlshm_file_publication_locked(other, &locked, nullptr), FSQLSHM_OK);
  EXPECT_TRUE(locked);
  auto* second = reinterpret_cast<fsqlshm_publication*>(this);
  EXPECT_EQ(fsqlshm_file_try_lock_publication(other, 1000, &second, nullptr), FSQLSHM_OK);
  EXPECT_EQ(second, nullptr);
  EXPECT_FALSE(fsqlshm_publication_needs_reconcile(publication));
  EXPECT_EQ(fsqlshm_publication_publish(publication, kTriple, nullptr), FSQLSHM_OK);
  fsqlshm_publication_unlock(publication);

  fsqlshm_snapshot found{};
  EXPECT_TRUE(fsqlshm_file_try_load_consistent_snapshot(other, 10, &found));
  EXPECT_EQ(found.ecs_epoch, 3U);
  EXPECT_EQ(fsqlshm_file_load_commit_seq(other), 1U);
  EXPECT_EQ(fsqlshm_file_load_schema_epoch(other), 2U);
  EXPECT_EQ(fsqlshm_file_load_ecs_epoch(other), 3U);
  EXPECT_EQ(fsqlshm_file_try_lock_publication(other, UINT64_MAX, &second, nullptr), FSQLSHM_OK);
  EXPECT_NE(second, nullptr);
  fsqlshm_publication_unlock(second);
  fsqlshm_publication_unlock(nullptr);
  fsqlshm_file_close(file, nullptr);
  fsqlshm_file_close(other, nullptr);
}

TEST_F(CFile, ReconcilesWhatADeadPublisherLeft) {
  fsqlshm_file* const file = create();
  // Its sequence number is odd, as after a death in the middle of a publish.
  const std::uint64_t odd = 5;
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, &odd, sizeof(odd), offsets::kSnapshotSeq), 8);
  ::close(fd);
  fsqlshm_snapshot seen = {.commit_seq = 70, .schema_epoch = 80, .ecs_epoch = 90};
  EXPECT_FALSE(fsqlshm_file_try_load_consistent_snapshot(file, 10, &seen));
  EXPECT_EQ(seen.commit_seq + seen.schema_epoch + seen.ecs_epoch, 240U);  // as it was
  fsqlshm_publication* publication = nullptr;
  ASSERT_EQ(fsqlshm_file_lock_publication(file, &publication, nullptr), FSQLSHM_OK);
  EXPECT_TRUE(fsqlshm_publication_needs_reconcile(publication));
  EXPECT_EQ(fsqlshm_publication_publish(publication, kTriple, &error_), FSQLSHM_NEEDS_RECONCILE);
  EXPECT_EQ(error_.found, odd);
  EXPECT_EQ(fsqlshm_publication_reconcile(publication, kTriple, nullptr), FSQLSHM_OK);
  expect_triple(file);
  EXPECT_EQ(fsqlshm_publication_publish(publication, kTriple, &error_), FSQLSHM_OK);
  fsqlshm_publication_unlock(publication);
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, PublishesForTheSerializedWriterOnly) {
  fsqlshm_file* const file = create();
  const std::uint64_t id = fsqlshm_file_alloc_txn_id(file);
  ASSERT_TRUE(fsqlshm_file_acquire_serialized_writer(file, id, 500));
  EXPECT_EQ(fsqlshm_file_check_serialized_writer(file), id);
  EXPECT_EQ(fsqlshm_file_check_serialized_writer_exclusion(file, 499), FSQLSHM_BUSY);
  fsqlshm_publication* publication = nullptr;
  ASSERT_EQ(fsqlshm_file_lock_publication(file, &publication, nullptr), FSQLSHM_OK);
  EXPECT_EQ(fsqlshm_publication_publish_for(publication, kTriple, id, nullptr), FSQLSHM_OK);
  expect_triple(file);
  EXPECT_EQ(fsqlshm_publication_publish_for(publication, kTriple, 0, nullptr),
            FSQLSHM_TXN_ID_OUT_OF_DOMAIN);
  EXPECT_EQ(fsqlshm_file_check_serialized_writer_exclusion(file, 500), FSQLSHM_NO_WRITER);
  EXPECT_EQ(fsqlshm_publication_publish_for(publication, kTriple, id, &error_), FSQLSHM_FENCED);
  EXPECT_EQ(error_.found, 0U);
  EXPECT_EQ(error_.expected, id);
  fsqlshm_publication_unlock(publication);
  EXPECT_FALSE(fsqlshm_file_release_serialized_writer(file, id));
  EXPECT_FALSE(fsqlshm_file_acquire_serialized_writer(file, 0, 0));
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, AWriterIsAnOpenOfTheFile) {
  fsqlshm_file* const file = create();
  fsqlshm_file* other = nullptr;
  ASSERT_EQ(open(other), FSQLSHM_OK);
  const fsqlshm_process who = fsqlshm_file_identity(other);
  EXPECT_EQ(who.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_TRUE(fsqlshm_file_alive(file, who));
  ASSERT_TRUE(fsqlshm_file_acquire_serialized_writer(other, 1, 0));
  EXPECT_EQ(fsqlshm_file_check_serialized_writer_exclusion(file, 0), FSQLSHM_BUSY);
  fsqlshm_file_close(other, nullptr);
  EXPECT_FALSE(fsqlshm_file_alive(file, who));
  EXPECT_EQ(fsqlshm_file_check_serialized_writer_exclusion(file, 0), FSQLSHM_NO_WRITER);
  ASSERT_TRUE(fsqlshm_file_acquire_serialized_writer(file, 2, 0));
  EXPECT_FALSE(fsqlshm_file_clear_serialized_writer(file, 1));
  EXPECT_TRUE(fsqlshm_file_clear_serialized_writer(file, 2));
  EXPECT_EQ(fsqlshm_file_check_serialized_writer(file), 0U);
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, AFileOpenedForReadingCanBeReadOnly) {
  fsqlshm_file* const file = create();
  fsqlshm_file_store_gc_horizon(file, 77);
  const fsqlshm_file* reader = nullptr;
  ASSERT_EQ(fsqlshm_file_open_read_only(path_.c_str(), nullptr, &reader, &error_), FSQLSHM_OK);
  EXPECT_EQ(fsqlshm_file_load_gc_horizon(reader), 77U);
  EXPECT_EQ(fsqlshm_file_check(reader, nullptr), FSQLSHM_OK);
  std::array<std::uint8_t, FSQLSHM_HEADER_BYTES> bytes{};
  fsqlshm_file_to_bytes(reader, bytes.data());
  EXPECT_TRUE(SharedMemoryLayout::open(std::as_bytes(std::span(bytes))));
  // Other languages have no const.
  auto* const mutable_reader = const_cast<fsqlshm_file*>(reader);
  fsqlshm_publication* publication = nullptr;
  EXPECT_EQ(fsqlshm_file_lock_publication(mutable_reader, &publication, &error_),
            FSQLSHM_INVALID_ARGUMENT);
  EXPECT_THAT(text(), testing::HasSubstr("opened for reading"));
  EXPECT_EQ(fsqlshm_file_sync(mutable_reader, nullptr), FSQLSHM_INVALID_ARGUMENT);
  EXPECT_EQ(fsqlshm_file_alloc_txn_id(mutable_reader), 0U);
  EXPECT_FALSE(fsqlshm_file_acquire_serialized_writer(mutable_reader, 1, 0));
  EXPECT_FALSE(fsqlshm_file_release_serialized_writer(mutable_reader, 1));
  EXPECT_FALSE(fsqlshm_file_clear_serialized_writer(mutable_reader, 1));
  EXPECT_EQ(fsqlshm_file_check_serialized_writer_exclusion(mutable_reader, 0), FSQLSHM_BUSY);
  fsqlshm_file_store_gc_horizon(mutable_reader, 78);
  EXPECT_EQ(fsqlshm_file_load_gc_horizon(file), 77U);
  std::size_t size = 1;
  EXPECT_EQ(fsqlshm_file_regions(mutable_reader, &size), nullptr);
  EXPECT_EQ(size, 0U);
  EXPECT_EQ(fsqlshm_file_identity(reader).birth, 0U);
  EXPECT_TRUE(fsqlshm_file_alive(reader, fsqlshm_file_identity(file)));
  EXPECT_EQ(fsqlshm_file_close(reader, nullptr), FSQLSHM_OK);
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, AFileThatWasRemovedIsFound) {
  fsqlshm_file* const file = create();
  EXPECT_EQ(fsqlshm_file_sync(file, nullptr), FSQLSHM_OK);
  EXPECT_EQ(fsqlshm_file_check(file, nullptr), FSQLSHM_OK);
  std::filesystem::remove(path_);
  EXPECT_EQ(fsqlshm_file_check(file, &error_), FSQLSHM_FILE_REPLACED);
  fsqlshm_file_close(file, nullptr);
}

TEST_F(CFile, AChildIsRefused) {
  fsqlshm_file* const file = create();
  const pid_t child = ::fork();
  if (child == 0) {
    fsqlshm_publication* publication = nullptr;
    ::_exit(fsqlshm_file_lock_publication(file, &publication, nullptr));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), FSQLSHM_FILE_FORKED);
  fsqlshm_file_close(file, nullptr);
}

TEST(CProcess, KnowsWhoLives) {
  const fsqlshm_process me = fsqlshm_this_process();
  EXPECT_EQ(me.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_TRUE(fsqlshm_process_alive(nullptr, me.pid, me.birth));
  EXPECT_FALSE(fsqlshm_process_alive(nullptr, me.pid, me.birth ^ 1));
}

}  // namespace
}  // namespace fsqlshm
