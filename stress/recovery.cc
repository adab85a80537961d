#include "stress/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/properties/execution.h"
#include "harness/random.h"
#include "harness/run.h"
#include "stress/control_block.h"
#include "stress/moments.h"
#include "stress/run_dir.h"

namespace fsqlshm::stress {

namespace {

struct Board {
  std::atomic<std::uint64_t> stop = 0;
  std::atomic<std::uint64_t> ready = 0;  // helpers that have the file open
  std::atomic<std::uint64_t> killed_ns = 0;
  std::atomic<std::uint64_t> read_ns = 0;   // the end of the first good read after the death ...
  std::atomic<std::uint64_t> read_for = 0;  // ... that was at this time
};

// Waits for its turn to publish, like every other publisher, and repairs what it finds.
int wait_and_reconcile(const std::filesystem::path& path, Board& board) {
  auto file = ShmFile::open(path);
  if (!file) return 1;
  ++board.ready;
  while (board.stop == 0) {
    // Asks for the lock while the publisher that will die has it, or after it had it.
    if (!*file->publication_locked() && file->layout().try_load_consistent_snapshot(1)) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      continue;
    }
    auto guard = file->lock_publication();
    if (!guard) return 1;
    if (!guard->needs_reconcile()) continue;
    const ShmSnapshot triple = triple_of(1);
    if (!guard->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch)) return 1;
  }
  return 0;
}

int read_all_the_time(const std::filesystem::path& path, Board& board) {
  auto file = ShmFile::open(path);
  if (!file) return 1;
  const auto layout = file->layout();
  ++board.ready;
  while (board.stop == 0) {
    // The number was odd when the death was noted, so a read that began later and succeeds comes
    // after the repair.
    const std::uint64_t killed = board.killed_ns;
    if (!layout.try_load_consistent_snapshot(1)) continue;
    if (killed == 0 || board.read_for == killed) continue;
    board.read_ns = now_ns();
    board.read_for = killed;
  }
  return 0;
}

int publish_and_die(const std::filesystem::path& path, Board& board, std::uint64_t step) {
  auto file = BasicShmFile<HardenedProtocol, MomentWords>::open(path);
  if (!file) return 1;
  auto guard = file->lock_publication();
  if (!guard) return 1;
  const ShmSnapshot triple = triple_of(2);
  // The waiter shall wait and the reader read when it happens.
  std::this_thread::sleep_for(std::chrono::microseconds(300));
  MomentLog log;
  Moments::arm(log, step, [&board] {
    board.killed_ns = now_ns();
    return ::raise(SIGKILL);
  });
  Moments::begin();
  return guard->publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch) ? 2 : 1;
}

// REQUIRES: there are some.
void report_times(std::vector<double> times_us, harness::Result& result) {
  std::ranges::sort(times_us);
  const auto at = [&](double part) {
    return times_us[static_cast<std::size_t>(part * static_cast<double>(times_us.size() - 1))];
  };
  result.details["recovery_us"] = {
      {"median", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", times_us.back()}};
  fmt::print(
      "from the death of a publisher to the next good read, {} deaths:\n"
      "median {:.1f} us, 90 % {:.1f} us, 99 % {:.1f} us, maximum {:.1f} us\n",
      times_us.size(), at(0.5), at(0.9), at(0.99), times_us.back());
  result.headline = fmt::format("{} deaths, the next good read after {:.0f} us (median)",
                                times_us.size(), at(0.5));
}

}  // namespace

void run_recovery(const Setting& setting, std::uint64_t deaths, harness::Result& result) {
  const auto dir = RunDir::make(setting.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  const std::filesystem::path path = dir->path() / "recovery.db.fsqlite-shm";
  const auto file = ShmFile::create(path);
  if (!file) {
    result.could_not_run = file.error().message();
    return;
  }
  harness::Shared<Board> board;
  const harness::Child waiter([&] { return wait_and_reconcile(path, *board); });
  const harness::Child reader([&] { return read_all_the_time(path, *board); });
  const auto eventually = [](auto&& condition) {
    const std::uint64_t deadline = now_ns() + 10'000'000'000;
    while (!condition()) {
      if (now_ns() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
  };
  if (!eventually([&] { return board->ready == 2; })) {
    result.could_not_run = "the helper processes did not start";
    return;
  }
  harness::Progress progress("recovery", std::chrono::seconds(0), setting.quiet);
  std::vector<double> times_us;
  harness::Random random(1);
  for (std::uint64_t i = 0; i < deaths && !harness::stop_requested(); ++i) {
    progress.update(fmt::format("{} of {} deaths", i, deaths));
    board->killed_ns = 0;
    // Steps 3 to 6 lie between the store of the odd number and that of the even one.
    const std::uint64_t step = 3 + random.below(4);
    harness::Child publisher([&] { return publish_and_die(path, *board, step); });
    if (!publisher.wait().died_of(SIGKILL)) {
      result.could_not_run = "a publisher did not die where it should";
      break;
    }
    if (!eventually([&] { return board->read_for == board->killed_ns; })) {
      result.findings.push_back({.severity = "violation",
                                 .property = std::string(harness::kP4),
                                 .title = "readers got nothing for 10 s after a publisher died",
                                 .file = "stress/recovery.cc"});
      break;
    }
    times_us.push_back(static_cast<double>(board->read_ns - board->killed_ns) / 1e3);
  }
  board->stop = 1;
  result.counts["deaths"] = times_us.size();
  if (times_us.empty()) {
    if (!result.could_not_run && result.findings.empty()) result.could_not_run = "interrupted";
    return;
  }
  report_times(std::move(times_us), result);
}

}  // namespace fsqlshm::stress
