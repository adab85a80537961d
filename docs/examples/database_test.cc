// The examples of docs/database.md: each does what the page says of it.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "docs/examples/containers.h"
#include "docs/examples/exec_helper.h"
#include "docs/examples/prefork_server.h"
#include "docs/examples/recovery.h"
#include "harness/child.h"

namespace fsqlshm::example {
namespace {

namespace fs = std::filesystem;
using harness::Child;
using harness::run_in_child;
using harness::Shared;

class DatabaseExample : public testing::Test {
 protected:
  DatabaseExample() {
    std::string pattern = fs::temp_directory_path() / "fsqlshm_example.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write(7, 100);
  }
  ~DatabaseExample() override { fs::remove_all(folder_); }

  void write(std::uint64_t commit, std::uint64_t next_id) const {
    std::ofstream(database()) << commit << " " << next_id;
  }
  [[nodiscard]] fs::path database() const { return folder_ / "foo.db"; }

  fs::path folder_;
};

TEST_F(DatabaseExample, TheFirstOpenerRecoversAndTheOthersJoin) {
  {
    auto first = open(database());
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->layout().load_commit_seq(), CommitSeq(7));
    EXPECT_EQ(first->layout().alloc_txn_id()->get(), 100U);
    write(8, 200);  // no business of who joins
    auto second = open(database());
    ASSERT_TRUE(second);
    EXPECT_EQ(second->layout().load_commit_seq(), CommitSeq(7));
    EXPECT_EQ(second->layout().alloc_txn_id()->get(), 101U);
    ASSERT_TRUE(second->layout().acquire_serialized_writer(*TxnId::from_raw(101), 0));
  }
  auto next = open(database());  // nobody had it open: as after a reboot
  ASSERT_TRUE(next);
  EXPECT_EQ(next->layout().load_commit_seq(), CommitSeq(8));
  EXPECT_EQ(next->layout().alloc_txn_id()->get(), 200U);
  EXPECT_EQ(next->layout().check_serialized_writer(), std::nullopt);
}

TEST_F(DatabaseExample, ADatabaseThatCannotBeReadIsAnError) {
  std::ofstream(database()) << "rubbish";
  EXPECT_EQ(open(database()).error(), ShmErrorCode::kRecoverFailed);
  fs::remove(database());
  EXPECT_EQ(open(database()).error(), ShmErrorCode::kFileOpen);
}

TEST_F(DatabaseExample, WorkersShareTheFileAndTheirDeathFreesIt) {
  const Shared<std::atomic<int>> turns;
  // The first worker of each pair dies with the lock in its hands, and as the serialized writer.
  const auto work = [&](ShmFile& file) {
    auto layout = file.layout();
    const auto guard = file.lock_publication();
    if (!guard || layout.check_serialized_writer_exclusion(1) != Exclusion::kOk) return false;
    const TxnId id = *layout.alloc_txn_id();
    if (!layout.acquire_serialized_writer(id, 0)) return false;
    if ((*turns)++ % 2 == 0) ::raise(SIGKILL);
    return layout.release_serialized_writer(id);
  };
  const auto server = run_in_child([&] { return serve(database(), 3, work) ? 0 : 1; });
  EXPECT_TRUE(server.exited()) << server.text();
  EXPECT_EQ(*turns, 6);
  fs::remove(database());
  EXPECT_FALSE(serve(database(), 1, work));
}

TEST_F(DatabaseExample, AServerThatGetsNoProcessesHasNotServed) {
  fs::permissions(folder_, fs::perms::all);
  const auto server = run_in_child([&] {
    // Root may have as many as there are.
    if (::geteuid() == 0 && (::chown(database().c_str(), 65534, 65534) != 0 ||
                             ::setgid(65534) != 0 || ::setuid(65534) != 0)) {
      return 2;
    }
    const struct rlimit none = {0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) return 3;
    return serve(database(), 2, [](ShmFile&) { return true; }) ? 1 : 0;
  });
  EXPECT_TRUE(server.exited()) << server.text();
}

TEST_F(DatabaseExample, AHelperKeepsNoLockOfAProcessThatDied) {
  const Shared<std::atomic<pid_t>> helper;
  const auto publisher = run_in_child([&] {
    auto file = open(database());
    const auto told = publish_and_tell(*file, CommitSeq(8), "exec sleep 100");
    *helper = told.value_or(-1);
    const auto guard = file->lock_publication();
    ::raise(SIGKILL);
    return 0;
  });
  EXPECT_TRUE(publisher.died_of(SIGKILL)) << publisher.text();
  ASSERT_GT(*helper, 0);
  auto file = open(database());
  ASSERT_TRUE(file) << file.error().message();
  // Both come to an end as soon as the helper is the program that it was started for.
  EXPECT_TRUE(file->lock_publication());
  while (users_of(database().string() + ".fsqlite-shm")->opens.size() > 1) ::usleep(1000);
  EXPECT_EQ(::kill(*helper, 0), 0);
  ::kill(*helper, SIGKILL);
}

// What a process of another container sees of a writer: that it is there as long as it is.
TEST_F(DatabaseExample, ContainersSeeWhoLives) {
  constexpr int kBusy = 10;
  constexpr int kFree = 11;
  const Shared<std::atomic<bool>> owns;
  const auto own = [&] {
    auto file = open(database());
    *owns = file && file->layout().acquire_serialized_writer(*TxnId::from_raw(1), 0);
    ::pause();
    return 0;
  };
  const auto look = [&] {
    auto file = open(database());
    if (!file || ::getpid() != 1) return 1;
    return file->layout().check_serialized_writer_exclusion(1) == Exclusion::kBusy ? kBusy : kFree;
  };
  const auto in_container = [](const auto& body) {
    return Child([&] { return run_in_container(body) & 0xff; });
  };
  Child probe = in_container([] { return ::getpid() == 1 ? 0 : 1; });
  if (!probe.wait().exited()) GTEST_SKIP() << "this process may not make namespaces";

  auto keeper = open(database());
  ASSERT_TRUE(keeper);
  Child owner = in_container(own);
  while (!*owns && !owner.poll().over()) ::usleep(1000);
  ASSERT_TRUE(*owns);
  EXPECT_TRUE(in_container(look).wait().exited(kBusy));
  EXPECT_EQ(keeper->layout().check_serialized_writer_exclusion(1), Exclusion::kBusy);
  owner.end();
  // The container's process dies by its parent's death, which the kernel tells it.
  while (keeper->layout().check_serialized_writer_exclusion(1) == Exclusion::kBusy) ::usleep(1000);
  EXPECT_TRUE(in_container(look).wait().exited(kFree));
}

}  // namespace
}  // namespace fsqlshm::example
