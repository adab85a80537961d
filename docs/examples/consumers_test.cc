// Programs in C, Python and C++ share one file, while they are killed in the middle of what they do.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/random.h"

namespace fsqlshm::example {
namespace {

using namespace std::chrono_literals;
using harness::Child;
using Arguments = std::vector<std::string>;

// The same database as in commit.c, which says what each part is for.
struct Database {
  std::uint64_t commit = 0;
  std::uint64_t next_txn_id = 1;
};

Database read_database(int fd) {
  Database durable;
  static_cast<void>(::pread(fd, &durable, sizeof(durable), 0));
  return durable;
}

ShmFileOptions options_of(int database) {
  ShmFileOptions options;
  options.recover = [database]() -> std::expected<DurableState, ShmError> {
    const Database durable = read_database(database);
    return DurableState{.commit_seq = CommitSeq(durable.commit),
                        .schema_epoch = SchemaEpoch(3 * durable.commit),
                        .ecs_epoch = 5 * durable.commit,
                        .next_txn_id = *TxnId::from_raw(durable.next_txn_id)};
  };
  return options;
}

// One commit; prints its id and number.
void commit(const ShmFile& file, int database) {
  auto layout = file.layout();
  const TxnId id = *layout.alloc_txn_id();
  const auto now = [] { return static_cast<std::uint64_t>(std::time(nullptr)); };
  while (layout.check_serialized_writer_exclusion(now()) == Exclusion::kBusy ||
         !layout.acquire_serialized_writer(id, now() + kLeaseSeconds)) {
    std::this_thread::sleep_for(100us);
  }
  auto guard = file.lock_publication().value();
  Database durable = read_database(database);
  if (guard.needs_reconcile()) {
    guard.reconcile(CommitSeq(durable.commit), SchemaEpoch(3 * durable.commit), 5 * durable.commit)
        .value();
  }
  ++durable.commit;
  durable.next_txn_id = std::max(durable.next_txn_id, id.get() + 1);
  static_cast<void>(::pwrite(database, &durable, sizeof(durable), 0));
  guard
      .publish_snapshot(CommitSeq(durable.commit), SchemaEpoch(3 * durable.commit),
                        5 * durable.commit, id)
      .value();
  {
    const auto unlocked = std::move(guard);
  }
  layout.release_serialized_writer(id);
  const std::string line = fmt::format("{} {}\n", id.get(), durable.commit);
  static_cast<void>(::write(STDOUT_FILENO, line.data(), line.size()));
}

int commit_for_ever(const std::string& path) {
  const int database = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const auto file = ShmFile::open_or_create(path + ".fsqlite-shm", options_of(database)).value();
  while (true) commit(file, database);
}

int execute(const Arguments& arguments) {
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  return 127;
}

class Consumers : public testing::Test {
 protected:
  Consumers() {
    std::string pattern = std::filesystem::temp_directory_path() / "fsqlshm_consumers.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Consumers() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string database() const { return folder_ / "foo.db"; }
  [[nodiscard]] std::filesystem::path log(const std::string& name) const {
    return folder_ / (name + ".log");
  }
  [[nodiscard]] Arguments c(const char* count) const { return {C_PROGRAM, database(), count}; }
  [[nodiscard]] Arguments python(const char* count) const {
    return {"/usr/bin/python3", "-B", PYTHON_PROGRAM, LIBRARY, database(), count};
  }

  // A process that says what it does in log(name), and what is wrong in log("errors").
  [[nodiscard]] Child start(const std::string& name, const std::function<int()>& body) const {
    return Child([this, name, body] {
      const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
      ::dup2(::open(log(name).c_str(), flags, 0600), STDOUT_FILENO);
      ::dup2(::open(log("errors").c_str(), flags, 0600), STDERR_FILENO);
      return body();
    });
  }

  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(log(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The ids and numbers in a log. A kill can cut its last line.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> commits(
      const std::string& name) const {
    std::string whole = text(name);
    whole.erase(whole.rfind('\n') + 1);
    std::istringstream in(whole);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
    for (std::uint64_t id = 0, number = 0; in >> id >> number;) all.emplace_back(id, number);
    EXPECT_EQ(std::ranges::count(whole, '\n'), static_cast<std::ptrdiff_t>(all.size())) << whole;
    return all;
  }

  std::filesystem::path folder_;
};

TEST_F(Consumers, CommitInCAndInPython) {
  for (const auto& [name, arguments] :
       std::map<std::string, Arguments>{{"c", c("20")}, {"python", python("20")}}) {
    Child child = start(name, [&] { return execute(arguments); });
    EXPECT_TRUE(child.wait_for(60s).exited(0)) << child.state().text() << text("errors");
    const std::string said = text(name);
    EXPECT_EQ(std::ranges::count(said, '\n'), 20) << said;
  }
  EXPECT_TRUE(text("python").starts_with("21 21\n")) << text("python");
}

// Kills one after the other, each after it has committed.
struct Worker {
  std::string name;
  std::function<int()> body;
  Child child{};
  int deaths = 0;

  // Each of its lives has a log of its own.
  [[nodiscard]] std::string life(int number) const { return fmt::format("{}.{}", name, number); }
};

TEST_F(Consumers, ShareAFileUnderKills) {
  std::array<Worker, 3> workers = {
      Worker{.name = "c", .body = [this] { return execute(c("1000000000")); }},
      Worker{.name = "python", .body = [this] { return execute(python("1000000000")); }},
      Worker{.name = "cpp", .body = [this] { return commit_for_ever(database()); }}};
  const auto fewest = [&] {
    return std::ranges::min_element(workers, {}, &Worker::deaths)->deaths;
  };
  harness::Random random(1);
  const auto begin = std::chrono::steady_clock::now();
  const auto lasts = [&] { return std::chrono::steady_clock::now() - begin; };
  while (lasts() < 5s || (fewest() < 2 && lasts() < 60s)) {
    for (Worker& worker : workers) {
      if (!worker.child.here()) {
        worker.child = start(worker.life(worker.deaths), worker.body);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(20000)));
    Worker& victim = workers[random.below(workers.size())];
    ASSERT_FALSE(victim.child.poll().over())
        << victim.name << " " << victim.child.state().text() << "\n"
        << text("errors");
    if (text(victim.life(victim.deaths)).empty()) continue;
    victim.child.end();
    ++victim.deaths;
  }
  for (Worker& worker : workers) worker.child.end();
  EXPECT_GE(fewest(), 2) << "a worker did not get to commit: nothing was tested";

  // Every id and every commit belongs to one process; what was said is durable, and can be recovered.
  std::set<std::uint64_t> ids;
  std::set<std::uint64_t> numbers;
  std::size_t lines = 0;
  for (const Worker& worker : workers) {
    std::size_t own = 0;
    for (int life = 0; life <= worker.deaths; ++life) {
      for (const auto& [id, number] : commits(worker.life(life))) {
        ids.insert(id);
        numbers.insert(number);
        ++own;
      }
    }
    EXPECT_GT(own, 0U) << worker.name;
    fmt::print("{}: {} commits, {} deaths\n", worker.name, own, worker.deaths);
    lines += own;
  }
  EXPECT_EQ(ids.size(), lines);
  EXPECT_EQ(numbers.size(), lines);
  EXPECT_EQ(text("errors"), "");
  const int fd = ::open(database().c_str(), O_RDWR | O_CLOEXEC);
  const auto file = ShmFile::open(database() + ".fsqlite-shm", options_of(fd));
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_GE(read_database(fd).commit, *numbers.rbegin());
  EXPECT_EQ(file->layout().load_commit_seq().get(), read_database(fd).commit);
  EXPECT_FALSE(file->layout().check_serialized_writer());
  EXPECT_GT(file->layout().alloc_txn_id()->get(), *ids.rbegin());
  ::close(fd);
}

}  // namespace
}  // namespace fsqlshm::example
