#include "stress/world/scribbler/scribbled.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/intercepted_words.h"
#include "harness/random.h"

namespace fsqlshm::world::scribbled {
namespace {

namespace fs = std::filesystem;
using harness::Random;
using stress::triple_of;

constexpr std::uint64_t kNow = 1'000'000;  // seconds since the epoch
constexpr std::uint64_t kAttempts = 8;     // of a bounded read

void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value) {
  std::uint64_t old = most.load();
  while (old < value && !most.compare_exchange_weak(old, value)) {
  }
}

struct StepCount {
  static inline thread_local std::uint64_t steps = 0;
  static void before(const harness::AtomicStep& /*step*/) { ++steps; }
};
using CountedWords = harness::InterceptedWords<MappedWords, StepCount>;
using CountedFile = BasicShmFile<HardenedProtocol, CountedWords>;

class User {
  // First, because their return types are deduced.
  template <class Body>
  void call(Call which, Body&& body) {
    doing_.call = which;
    StepCount::steps = 0;
    body();
    ++state_.calls[which].times;
    raise_to(state_.calls[which].max_steps, StepCount::steps);
    doing_.call = kCalls;
    ++doing_.made;
  }

  template <class T>
  auto noted(std::expected<T, ShmError>&& result) {
    if (!result) ++state_.errors[static_cast<std::size_t>(result.error().code()) % 64];
    if constexpr (!std::is_void_v<T>) {
      return result ? std::optional<T>(std::move(*result)) : std::nullopt;
    }
  }

 public:
  User(State& state, std::size_t life, std::size_t thread, fs::path path, std::uint64_t seed)
      : state_(state), doing_(state.threads[life][thread]), path_(std::move(path)), random_(seed) {}

  [[nodiscard]] std::optional<CountedFile> open() {
    std::optional<CountedFile> opened;
    call(kOpen, [&] { opened = noted(CountedFile::open_or_create(path_, options())); });
    return opened;
  }

  // False if the file is not what it was.
  bool use(CountedFile& file) {
    auto layout = file.layout();
    call(kLoadSnapshot, [&] { read(layout); });
    call(kAllocate, [&] { last_id_ = layout.alloc_txn_id().value_or(last_id_); });
    call(kCheckExclusion, [&] {
      static_cast<void>(layout.check_serialized_writer_exclusion(kNow + random_.below(100)));
    });
    const std::uint64_t lease = random_.one_in(2) ? 0 : kNow + random_.below(100);
    call(kAcquire, [&] { static_cast<void>(layout.acquire_serialized_writer(last_id_, lease)); });
    call(kRelease, [&] { static_cast<void>(layout.release_serialized_writer(last_id_)); });
    call(kClear, [&] { layout.clear_serialized_writer(random_.next()); });
    call(kStoreHorizon, [&] { layout.store_gc_horizon(CommitSeq(random_.next())); });
    call(kPublish, [&] { publish(noted(file.try_lock_publication())); });
    if (random_.one_in(8)) {
      call(kWaitToPublish,
           [&] { publish(noted(file.try_lock_publication_for(std::chrono::milliseconds(1)))); });
    }
    if (random_.one_in(32)) call(kFork, [&] { fork_past_a_guard(file); });
    call(kToBytes, [&] { static_cast<void>(validate(layout.to_bytes())); });
    call(kValidate, [&] { static_cast<void>(validate(file.header_bytes())); });
    bool good = false;
    call(kCheckFile, [&] {
      const auto checked = file.check_file();
      good = checked.has_value();
      noted(std::expected<void, ShmError>(checked));
    });
    return good;
  }

  void look_from_outside() {
    call(kReadHeader, [&] {
      if (const auto bytes = noted(read_header_bytes(path_))) static_cast<void>(validate(*bytes));
    });
    call(kUsersOf, [&] { noted(users_of(path_)); });
    call(kOpenReading,
         [&] { noted(ReadOnlyShmFile::open(path_, {.trust_found_state = random_.one_in(2)})); });
    call(kOpen, [&] { noted(CountedFile::open(path_, options())); });
    if (state_.files_too) call(kRemove, [&] { noted(CountedFile::remove(path_)); });
  }

 private:
  [[nodiscard]] ShmFileOptions options() const {
    ShmFileOptions options;
    options.recover = [this] {
      const ShmSnapshot durable = triple_of(state_.published.begun());
      return std::expected<DurableState, ShmError>(
          DurableState{.commit_seq = durable.commit_seq,
                       .schema_epoch = durable.schema_epoch,
                       .ecs_epoch = durable.ecs_epoch});
    };
    return options;
  }

  void read(const CountedFile::Layout& layout) {
    const std::uint64_t low = state_.published.done();
    const auto snapshot = layout.try_load_consistent_snapshot(kAttempts);
    if (!snapshot) return;
    ++state_.reads;
    const std::uint64_t n = snapshot->commit_seq.get();
    if (!stress::whole(*snapshot) || n > state_.published.begun()) {
      ++state_.unpublished;
    } else if (n < low) {
      ++state_.stale;
    }
  }

  // Neither lock nor error is news.
  void publish(std::optional<std::optional<CountedFile::Guard>> locked) {
    if (!locked || !*locked) return;
    const std::uint64_t n = state_.published.next();
    state_.published.begin_write(n);
    const ShmSnapshot next = triple_of(n);
    auto& guard = **locked;
    noted(guard.needs_reconcile()
              ? guard.reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch)
              : guard.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch));
    state_.published.end_write(n);
  }

  // The child ends what it inherited, while other threads of its parent were in the middle of calls.
  void fork_past_a_guard(CountedFile& file) {
    auto locked = noted(file.try_lock_publication());
    harness::Child child([&] {
      locked.reset();
      return file.check_file() ? 1 : 0;  // it may not use the file
    });
    const harness::ChildState end = child.wait();
    if (!end.exited()) state_.bad_child = end;
  }

  State& state_;
  State::Thread& doing_;
  fs::path path_;
  Random random_;
  TxnId last_id_ = *TxnId::from_raw(1);
};

int live_with_mapping(State& state, std::size_t life, const fs::path& path, std::uint64_t seed) {
  for (std::uint64_t round = 0; !state.stop; ++round) {
    User opener(state, life, 0, path, seed + round);
    auto file = opener.open();
    if (!file) continue;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        User user(state, life, t, path, harness::mix(seed + round) + t);
        for (int i = 0; i < 500 && !state.stop && user.use(*file); ++i) {
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  return 0;
}

int live_outside(State& state, std::size_t life, const fs::path& path, std::uint64_t seed) {
  User user(state, life, 0, path, seed);
  while (!state.stop) user.look_from_outside();
  return 0;
}

}  // namespace

int live(State& state, std::size_t life, const fs::path& path, std::uint64_t seed) {
  return life < kUsers ? live_with_mapping(state, life, path, seed)
                       : live_outside(state, life, path, seed);
}

}  // namespace fsqlshm::world::scribbled
