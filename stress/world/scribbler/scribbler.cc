#include "stress/world/scribbler/scribbler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string_view>
#include <thread>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/random.h"
#include "harness/run.h"
#include "stress/run_dir.h"
#include "stress/world/scribbler/scribbled.h"

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;
using harness::Child;
using harness::Random;
using scribbled::CallCount;
using scribbled::kCallNames;
using scribbled::kCalls;
using scribbled::kLives;
using scribbled::kThreads;
using scribbled::kUsers;
using scribbled::live;
using scribbled::State;

constexpr std::string_view kW8 = "W8 rubbish";
// A retry is caused by a write of another process in the few nanoseconds between two steps. So many
// in one call are not chance.
constexpr std::uint64_t kMostSteps = 10'000;
// A run is so many times longer on a machine that does other things, if that is what it takes to
// reach what it exists for.
constexpr int kMostPatience = 10;
constexpr std::chrono::seconds kPatience{20};  // with a call, on a machine that does other things

// --- The scribbler ---------------------------------------------------------------------------------

class Scribbler {
 public:
  Scribbler(State& state, fs::path path, std::uint64_t seed)
      : state_(state), path_(std::move(path)), random_(seed) {}

  int live() {
    read_header();
    while (!state_.stop) {
      if (state_.files_too) strike_file();
      scribble();
    }
    return 0;
  }

 private:
  // Every time by a mapping or descriptor of its own, of the file that has the name now.
  void scribble() {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    // A burst: of one word, or of all. Through a mapping while the file keeps its size, else by
    // pwrite, which a truncation does not kill.
    const bool mapped = !state_.files_too;
    void* const memory =
        mapped ? ::mmap(nullptr, kHeaderSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
               : MAP_FAILED;
    const auto fixed = static_cast<std::size_t>(random_.below(kHeaderWords));
    const bool one_word = random_.one_in(2);
    const std::uint64_t times = random_.one_in(4) ? 20'000 : 50;
    for (std::uint64_t i = 0; i < times; ++i) {
      const std::size_t word = one_word ? fixed : random_.below(kHeaderWords);
      const std::uint64_t value = value_for(word);
      if (memory != MAP_FAILED) {
        std::atomic_ref(static_cast<std::uint64_t*>(memory)[word])
            .store(value, std::memory_order::relaxed);
      } else if (::pwrite(fd, &value, sizeof value, static_cast<off_t>(word * 8)) < 0) {
        break;
      }
    }
    state_.scribbled += times;
    mend(fd);
    if (memory != MAP_FAILED) ::munmap(memory, kHeaderSize);
    ::close(fd);
    std::this_thread::sleep_for(std::chrono::microseconds(random_.below(300)));
  }

  // So that the file can be opened again, and readers get something, most of the time.
  void mend(int fd) {
    if (random_.one_in(4)) return;
    const bool words_too = random_.one_in(2);
    for (std::size_t word = 0; word < kHeaderWords; ++word) {
      const bool immutable = std::ranges::none_of(
          kAtomicFields, [&](Field field) { return word_index(field) == word; });
      const std::uint64_t value = good_[word];
      if (!immutable && !words_too) continue;
      if (::pwrite(fd, &value, sizeof value, static_cast<off_t>(word * 8)) < 0) return;
    }
  }

  std::uint64_t value_for(std::size_t word) {
    switch (random_.below(4)) {
      case 0:
        return random_.next();
      case 1:  // what was there once, or somewhere else
        return good_[random_.one_in(2) ? word : random_.below(kHeaderWords)];
      case 2: {
        constexpr std::uint64_t kTop = std::uint64_t{1} << 62;
        constexpr std::array<std::uint64_t, 10> kEdges = {
            0, 1, 2, 7, kTop - 1, kTop, kTop + 1, 2 * kTop, 3 * kTop, ~std::uint64_t{0}};
        return kEdges[random_.below(kEdges.size())];
      }
      default: {  // a state of the writer that names a process, which may live
        const auto tag =
            random_.one_in(2) ? hardened::WriterTag::kClaiming : hardened::WriterTag::kCleaning;
        return hardened::state_word(tag, {.pid = static_cast<std::uint32_t>(::getppid()),
                                          .birth = kKnownBirth | random_.below(4)});
      }
    }
  }

  void strike_file() {
    const auto size = static_cast<off_t>(random_.below(70'000));
    switch (random_.below(48)) {
      case 0:
        ::truncate(path_.c_str(), size);
        break;
      case 1:
        ::truncate(path_.c_str(), 0);
        break;
      case 2:
        ::truncate(path_.c_str(), 100'000 + size);
        break;
      case 3:  // replace: a copy with other words
        replace(size);
        break;
      case 4:
        ::unlink(path_.c_str());
        break;
      case 5:
        ::unlink((path_.string() + "-lock").c_str());
        break;
      case 6:  // so that a process meets it between two calls
        for (int i = 0; i < 300; ++i) {
          ::truncate(path_.c_str(), i % 2 == 0 ? 0 : 100'000);
        }
        break;
      default:
        return;
    }
    ++state_.scribbled;
  }

  void replace(off_t size) {
    const std::string other = path_.string() + ".other";
    std::ofstream(other, std::ios::binary)
        .write(reinterpret_cast<const char*>(good_.data()), sizeof good_);
    ::truncate(other.c_str(), size);
    ::rename(other.c_str(), path_.c_str());
  }

  void read_header() {
    const auto bytes = read_header_bytes(path_);
    if (bytes) good_ = std::bit_cast<decltype(good_)>(*bytes);
  }

  State& state_;
  fs::path path_;
  Random random_;
  std::array<std::uint64_t, kHeaderWords> good_{};
};

// --- The run ---------------------------------------------------------------------------------------

class Run {
 public:
  Run(const ScribblerOptions& options, const fs::path& folder, harness::Result& result)
      : options_(options), path_(folder / "foo.db.fsqlite-shm"), result_(result) {}

  void run() {
    state_->published.begin_write(1);
    state_->published.end_write(1);
    for (std::size_t life = 0; life < kLives; ++life) start(life);
    Child scribbler([this] { return scribble(); });
    watch(scribbler);
    state_->stop = true;
    for (std::size_t life = 0; life < kLives; ++life) {
      if (users_[life].wait_for(kPatience).over()) {
        judge_end(life);
      } else {
        blame("a call does not return", stuck_in(life));
      }
    }
    report();
  }

 private:
  int scribble() {
    while (!fs::exists(path_) && !state_->stop) ::usleep(100);
    return Scribbler(*state_, path_, options_.seed).live();
  }

  void start(std::size_t life) {
    const std::uint64_t seed = harness::mix(options_.seed * 1000 + ++starts_);
    users_[life] = Child([this, life, seed] {
      std::signal(SIGBUS, SIG_DFL);  // a sanitizer's handler would say more than is news
      return live(*state_, life, path_, seed);
    });
  }

  void watch(Child& scribbler) {
    using Clock = std::chrono::steady_clock;
    harness::Progress progress("scribbler", std::chrono::duration<double>(options_.seconds),
                               options_.quiet);
    const auto start_time = Clock::now();
    const auto goes_on = [&] {
      return progress.elapsed() < (reached() ? 1 : kMostPatience) * options_.seconds;
    };
    while (goes_on() && !harness::stop_requested() && !blamed_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      state_->files_too = progress.elapsed() > options_.seconds / 2;
      progress.update(fmt::format("{} words", state_->scribbled.load()));
      if (scribbler.poll().over()) {
        result_.could_not_run = "the scribbler " + scribbler.state().text();
        return;
      }
      for (std::size_t life = 0; life < kLives; ++life) {
        if (users_[life].poll().over()) {
          judge_end(life);
          start(life);
        }
      }
      look_for_stuck(Clock::now() - start_time);
      const harness::ChildState bad_child = state_->bad_child;
      if (bad_child.over()) blame("a forked child does not end well", bad_child.text());
    }
    if (harness::stop_requested()) {
      result_.could_not_run =
          fmt::format("interrupted after {:.1f} of {} s", progress.elapsed(), options_.seconds);
    }
  }

  // Every call was made, and a reader was deceived.
  [[nodiscard]] bool reached() const {
    return state_->unpublished > 0 &&
           std::ranges::none_of(state_->calls, [](const CallCount& c) { return c.times == 0; });
  }

  // A thread that makes no call in all the time that others need for many.
  void look_for_stuck(std::chrono::nanoseconds now) {
    for (std::size_t life = 0; life < kLives; ++life) {
      for (std::size_t thread = 0; thread < kThreads; ++thread) {
        const State::Thread& doing = state_->threads[life][thread];
        Seen& seen = seen_[life][thread];
        if (doing.call == kCalls || seen.made != doing.made) seen = {doing.made, now};
        if (now - seen.since > kPatience) return blame("a call does not return", stuck_in(life));
      }
    }
  }

  [[nodiscard]] std::string stuck_in(std::size_t life) const {
    std::string all;
    for (const State::Thread& doing : state_->threads[life]) {
      if (doing.call != kCalls) all += fmt::format("{}\n", kCallNames[doing.call]);
    }
    return all;
  }

  void judge_end(std::size_t life) {
    const harness::ChildState end = users_[life].state();
    if (end.exited() && state_->stop) return;
    // Documented: the file was truncated under its mapping.
    if (end.died_of(SIGBUS) && state_->files_too && life < kUsers) {
      ++truncated_;
      return;
    }
    blame(life < kUsers ? "a user of the file does not end well"
                        : "a process that opens the file does not end well",
          end.text() + "\n" + stuck_in(life));
  }

  void blame(std::string_view title, const std::string& detail) {
    blamed_ = true;
    result_.findings.push_back({.severity = "violation",
                                .property = std::string(kW8),
                                .title = std::string(title),
                                .detail = detail});
  }

  void report() {
    if (state_->scribbled == 0 && !result_.could_not_run && !blamed_) {
      result_.could_not_run = "there was no file to write to: " + errors();
    }
    std::uint64_t calls = 0;
    for (std::size_t call = 0; call < kCalls; ++call) {
      const CallCount& count = state_->calls[call];
      calls += count.times;
      result_.details["scribbler"].push_back({{"call", kCallNames[call]},
                                              {"times", count.times.load()},
                                              {"max_steps", count.max_steps.load()}});
      if (count.max_steps > kMostSteps) {
        blame(fmt::format("{} takes too many steps", kCallNames[call]),
              fmt::format("{}", count.max_steps.load()));
      }
      if (count.times == 0 && !blamed_) vacuous(fmt::format("no {} was made", kCallNames[call]));
    }
    for (std::size_t code = 0; code < state_->errors.size(); ++code) {
      if (state_->errors[code] == 0) continue;
      result_.details["scribbler_errors"][to_string(static_cast<ShmErrorCode>(code))] =
          state_->errors[code].load();
    }
    if (state_->unpublished == 0 && !blamed_) vacuous("no reader accepted what was scribbled");
    result_.counts["scribbled"] = state_->scribbled.load();
    result_.counts["calls"] = calls;
    result_.counts["reads"] = state_->reads.load();
    result_.counts["accepted_unpublished"] = state_->unpublished.load();
    result_.counts["accepted_stale"] = state_->stale.load();
    result_.counts["truncated_users"] = truncated_;
    result_.headline = fmt::format(
        "{} words scribbled, {} calls; of {} triples that readers accepted, {} were never "
        "published",
        harness::human(static_cast<double>(state_->scribbled)),
        harness::human(static_cast<double>(calls)),
        harness::human(static_cast<double>(state_->reads)), state_->unpublished.load());
  }

  // By name: what the calls answered.
  [[nodiscard]] std::string errors() const {
    std::string all;
    for (std::size_t code = 0; code < state_->errors.size(); ++code) {
      if (state_->errors[code] == 0) continue;
      all += (all.empty() ? "" : ", ") + std::string(to_string(static_cast<ShmErrorCode>(code)));
    }
    return all;
  }

  void vacuous(const std::string& title) {
    if (result_.could_not_run) return;
    result_.findings.push_back(
        {.severity = "vacuous", .property = std::string(kW8), .title = title});
  }

  struct Seen {
    std::uint64_t made = 0;
    std::chrono::nanoseconds since{};
  };

  const ScribblerOptions& options_;
  fs::path path_;
  harness::Result& result_;
  harness::Shared<State> state_;
  std::array<Child, kLives> users_;
  std::array<std::array<Seen, kThreads>, kLives> seen_{};
  std::uint64_t starts_ = 0;
  std::uint64_t truncated_ = 0;
  bool blamed_ = false;
};

}  // namespace

void run_scribbler(const ScribblerOptions& options, harness::Result& result) {
  const auto dir = stress::RunDir::make(options.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  Run(options, dir->path(), result).run();
}

}  // namespace fsqlshm::world
