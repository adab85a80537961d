// The explorer against GenMC (Kokologiannakis and Vafeiadis, CAV 2021), where that is installed: the
// number of executions of the same programs. Skipped where there is no program `genmc` on PATH.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "relacy/rc11/explorer.h"
#include "relacy/rc11/litmus.h"
#include "relacy/rc11/random_program.h"

namespace fsqlshm::rc11 {
namespace {

namespace fs = std::filesystem;
using Threads = std::vector<std::vector<Operation>>;

// Writes down what a thread asks for. Whatever it loads is 1, so that no loop waits.
class Recorder final : public Memory {
 public:
  std::uint64_t perform(const Operation& operation) override {
    Operation& mine = operations.emplace_back(operation);
    // To GenMC (0.9) an exchange that fails has the order of one that succeeds.
    if (!acquires(operation.order)) {
      mine.failure = std::memory_order::relaxed;
    } else if (operation.order == std::memory_order::acq_rel) {
      mine.failure = std::memory_order::acquire;
    } else {
      mine.failure = operation.order;
    }
    return 1;
  }
  void pause() override {}
  void stop() override {}

  std::vector<Operation> operations;
};

// The threads without their loops and deaths.
Threads straight(const Program& program) {
  Threads threads;
  for (const Program::Thread& thread : program.threads) {
    Recorder recorder;
    thread.body(recorder);
    threads.push_back(std::move(recorder.operations));
  }
  return threads;
}

std::uint64_t executions(const Program& program, const Threads& threads) {
  Program same{.first = program.first};
  for (const auto& operations : threads) {
    same.threads.push_back({.body = [operations](Memory& memory) {
      for (const Operation& operation : operations) memory.perform(operation);
    }});
  }
  Explorer explorer(same);
  std::uint64_t count = 0;
  while (explorer.next()) ++count;
  return count;
}

std::string_view in_c(std::memory_order order) {
  switch (order) {
    case std::memory_order::relaxed:
      return "memory_order_relaxed";
    case std::memory_order::acquire:
    case std::memory_order::consume:
      return "memory_order_acquire";
    case std::memory_order::release:
      return "memory_order_release";
    case std::memory_order::acq_rel:
      return "memory_order_acq_rel";
    case std::memory_order::seq_cst:
      break;
  }
  return "memory_order_seq_cst";
}

std::string in_c(const Operation& operation) {
  const std::string order(in_c(operation.order));
  switch (operation.access) {
    case Access::kLoad:
      return fmt::format("atomic_load_explicit(&x{}, {})", operation.location, order);
    case Access::kStore:
      return fmt::format("atomic_store_explicit(&x{}, {}, {})", operation.location,
                         operation.operand, order);
    case Access::kCompareExchange:
      return fmt::format(
          "({{ unsigned long expected = {};\n"
          "    atomic_compare_exchange_strong_explicit(&x{}, &expected, {}, {}, {}); }})",
          operation.expected, operation.location, operation.operand, order,
          in_c(operation.failure));
    case Access::kFetchAdd:
      return fmt::format("atomic_fetch_add_explicit(&x{}, {}, {})", operation.location,
                         operation.operand, order);
    case Access::kDie:
      break;
  }
  throw std::logic_error("a death has no operation in C");
}

std::string in_c(const Program& program, const Threads& threads) {
  std::string text = "#include <pthread.h>\n#include <stdatomic.h>\n";
  for (std::size_t i = 0; i < program.first.size(); ++i) {
    text += fmt::format("atomic_ulong x{} = {};\n", i, program.first[i]);
  }
  std::string start;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    text += fmt::format("void* thread{}(void* unused) {{\n", i);
    for (const Operation& operation : threads[i]) text += "  " + in_c(operation) + ";\n";
    text += "  return 0;\n}\n";
    start += fmt::format("  pthread_create(&threads[{0}], 0, thread{0}, 0);\n", i);
  }
  return text + fmt::format("int main() {{\n  pthread_t threads[{}];\n{}  return 0;\n}}\n",
                            threads.size(), start);
}

// Whether a thread releases a location and then stores to it, relaxed. Before C++20 the second store
// was in the release sequence of the first, and in GenMC (0.9) it still is.
bool continues_a_release(const Threads& threads) {
  return std::ranges::any_of(threads, [](const std::vector<Operation>& operations) {
    std::set<Location> released;
    return std::ranges::any_of(operations, [&](const Operation& operation) {
      if (operation.access == Access::kLoad) return false;
      if (releases(operation.order)) {
        released.insert(operation.location);
        return false;
      }
      return operation.access == Access::kStore && released.contains(operation.location);
    });
  });
}

class GenMC : public testing::Test {
 protected:
  void SetUp() override {
    const std::string help = run("genmc --help");
    if (!help.contains("--rc11")) GTEST_SKIP() << "there is no genmc on PATH";
    // Older versions ask whether seq_cst holds only where they have found an error.
    if (help.contains("--check-consistency-point")) {
      command_ += " --check-consistency-point=exec --check-consistency-type=full";
    }
    char name[] = "/tmp/fsqlshm-genmc-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  ~GenMC() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  void expect_the_same(const Program& program, const std::string& name) {
    const Threads threads = straight(program);
    const std::string text = in_c(program, threads);
    std::ofstream(folder_ / "program.c") << text;
    const std::string said = run(command_ + " " + (folder_ / "program.c").string());
    constexpr std::string_view kCount = "Number of complete executions explored: ";
    const std::size_t at = said.find(kCount);
    ASSERT_NE(at, std::string::npos) << said << "\n" << text;
    const std::uint64_t theirs = std::stoull(said.substr(at + kCount.size()));
    const std::uint64_t ours = executions(program, threads);
    if (continues_a_release(threads)) {
      EXPECT_LE(theirs, ours) << name << "\n" << text;
    } else {
      EXPECT_EQ(theirs, ours) << name << "\n" << text;
    }
  }

 private:
  static std::string run(const std::string& command) {
    std::string output;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
        ::popen((command + " 2>&1").c_str(), "r"), ::pclose);
    std::array<char, 4096> some{};
    while (std::fgets(some.data(), some.size(), pipe.get()) != nullptr) output += some.data();
    return output;
  }

  fs::path folder_;
  std::string command_ = "genmc --rc11";
};

TEST_F(GenMC, CountsTheSameExecutionsOfLitmusTests) {
  for (const LitmusTest& test : litmus_tests()) {
    const auto all = test.combinations();
    const std::size_t stride = all.size() > 100 ? 40 : all.size() > 30 ? 20 : 5;
    for (std::size_t i = 0; i < all.size(); i += stride) {
      expect_the_same(test.program(all[i]), test.name);
    }
    expect_the_same(test.program(all.back()), test.name);
  }
}

TEST_F(GenMC, CountsTheSameExecutionsOfRandomPrograms) {
  constexpr std::uint64_t kSeeds = 100;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    expect_the_same(random_program(seed), fmt::format("seed {}", seed));
  }
}

}  // namespace
}  // namespace fsqlshm::rc11
