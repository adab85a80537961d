// What a call through the C interface costs, and what the same calls of a shared object cost: each operation of the
// header inlined, called through a pointer into this library, and called through a pointer into the shared object.

#include <fmt/format.h>

#include <expected>
#include <new>
#include <string>

#include "c_functions.h"
#include "cases.h"
#include "fsqlshm.h"
#include "fsqlshm/process.h"
#include "harness/c_types.h"
#include "harness/child.h"
#include "harness/guarded.h"
#include "harness/subject.h"
#include "harness/subject_header.h"

namespace fsqlshm::bench {
namespace {

constexpr std::uint64_t kLease = 1'000'000;  // seconds since the epoch; any number will do
constexpr std::uint64_t kTrials = 10'000;    // calls of each operation before it is measured

// --- Who is called --------------------------------------------------------------------------------

/// A header as a C++ caller has it: everything is inlined.
class Inlined {
 public:
  [[gnu::always_inline]] bool open(const HeaderBytes& bytes) {
    // Made where it stays, as by the C interface.
    const Opened* const made = ::new (&*opened_) Opened(SharedMemoryLayout::open(bytes));
    return made->has_value();
  }
  [[gnu::always_inline]] Triple read() { return to_triple((*opened_)->load_consistent_snapshot()); }
  [[gnu::always_inline]] void publish(const Triple& next) {
    (*opened_)->publish_snapshot(CommitSeq(next.commit_seq), SchemaEpoch(next.schema_epoch),
                                 next.ecs_epoch);
  }
  [[gnu::always_inline]] bool acquire(std::uint64_t id) {
    return (*opened_)->acquire_serialized_writer(*TxnId::from_raw(id), self_.pid, self_.birth,
                                                 kLease);
  }
  [[gnu::always_inline]] bool release(std::uint64_t id) {
    return (*opened_)->release_serialized_writer(*TxnId::from_raw(id));
  }
  [[gnu::always_inline]] std::uint64_t alloc() {
    const auto id = (*opened_)->alloc_txn_id();
    return id ? id->get() : 0;
  }
  [[gnu::always_inline]] std::uint64_t move_horizon(std::uint64_t to) {
    (*opened_)->store_gc_horizon(CommitSeq(to));
    return (*opened_)->load_gc_horizon().get();
  }

 private:
  using Opened = std::expected<SharedMemoryLayout, ShmError>;
  harness::Shared<Opened> opened_;
  ProcessIdentity self_ = this_process();
};

/// The functions of fsqlshm.h, by pointers of which the compiler knows nothing.
class Called {
 public:
  Called(const harness::SubjectFunctions& functions, std::size_t size, std::size_t alignment)
      : functions_(functions), memory_(size, alignment) {
    asm volatile("" : "+m"(functions_));
  }
  [[gnu::always_inline]] bool open(const HeaderBytes& bytes) {
    return functions_.open(header(), bytes.data(), bytes.size(), nullptr) == FSQLSHM_OK;
  }
  [[gnu::always_inline]] Triple read() {
    return to_triple(functions_.load_consistent_snapshot(header()));
  }
  [[gnu::always_inline]] void publish(const Triple& next) {
    functions_.publish_snapshot(header(), {next.commit_seq, next.schema_epoch, next.ecs_epoch});
  }
  [[gnu::always_inline]] bool acquire(std::uint64_t id) {
    return functions_.acquire_serialized_writer(header(), id, self_, kLease);
  }
  [[gnu::always_inline]] bool release(std::uint64_t id) {
    return functions_.release_serialized_writer(header(), id);
  }
  [[gnu::always_inline]] std::uint64_t alloc() { return functions_.alloc_txn_id(header()); }
  [[gnu::always_inline]] std::uint64_t move_horizon(std::uint64_t to) {
    functions_.store_gc_horizon(header(), to);
    return functions_.load_gc_horizon(header());
  }

  [[nodiscard]] const harness::SubjectMemory& memory() const { return memory_; }

 private:
  [[nodiscard]] fsqlshm_header* header() const { return memory_.header(); }

  harness::SubjectFunctions functions_;
  harness::SubjectMemory memory_;
  fsqlshm_process self_ = harness::to_c(this_process());
};

/// Says what it calls: for the calls that are tried before anything is measured.
class Tried {
 public:
  Tried(const harness::Subject& subject, const harness::SubjectMemory& memory,
        harness::Doing& doing)
      : header_(subject, memory, doing) {}

  bool open(const HeaderBytes& bytes) { return header_.open(bytes).has_value(); }
  Triple read() { return to_triple(header_.load_consistent_snapshot()); }
  void publish(const Triple& next) {
    header_.publish_snapshot(
        {CommitSeq(next.commit_seq), SchemaEpoch(next.schema_epoch), next.ecs_epoch});
  }
  bool acquire(std::uint64_t id) {
    return header_.acquire_serialized_writer(*TxnId::from_raw(id), this_process_, kLease);
  }
  bool release(std::uint64_t id) { return header_.release_serialized_writer(*TxnId::from_raw(id)); }
  std::uint64_t alloc() { return header_.alloc_txn_id(); }
  std::uint64_t move_horizon(std::uint64_t to) {
    header_.store_gc_horizon(to);
    return header_.load_gc_horizon();
  }

 private:
  harness::SubjectHeader header_;
  ProcessIdentity this_process_ = this_process();
};

// --- What is called -------------------------------------------------------------------------------

// Each makes its calls in `repeat(once)`, and says what went wrong, or nothing. REQUIRES: a new header.

struct Read {
  static constexpr const char* kName = "read";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    api.publish(triple_of(1));
    repeat([&] [[gnu::always_inline]] { consume(api.read()); });
    return api.read() == triple_of(1) ? nullptr : "a read of something else than was published";
  }
};

struct Publish {
  static constexpr const char* kName = "publish";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    std::uint64_t n = 1;
    repeat([&] [[gnu::always_inline]] {
      api.publish(triple_of(++n));
      asm volatile("" : : : "memory");
    });
    return api.read() == triple_of(n) ? nullptr : "not what was published";
  }
};

struct Open {
  static constexpr const char* kName = "open";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    const HeaderBytes bytes = SharedMemoryLayout().to_bytes();
    bool good = true;
    repeat([&] [[gnu::always_inline]] {
      asm volatile("" : : "r"(&bytes) : "memory");
      good &= api.open(bytes);
    });
    return good ? nullptr : "a good header is refused";
  }
};

struct AcquireRelease {
  static constexpr const char* kName = "acquire_release";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    std::uint64_t id = 0;
    bool good = true;
    repeat([&] [[gnu::always_inline]] {
      good &= api.acquire(++id);
      good &= api.release(id);
    });
    return good ? nullptr : "the indicator is not in the state it was put in";
  }
};

struct Alloc {
  static constexpr const char* kName = "alloc";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    std::uint64_t last = 0;
    bool good = true;
    repeat([&] [[gnu::always_inline]] {
      const std::uint64_t id = api.alloc();
      good &= id > last;
      last = id;
    });
    return good ? nullptr : "an id that is no new one";
  }
};

struct GcHorizon {
  static constexpr const char* kName = "gc_horizon";
  template <class Api, class Repeat>
  [[gnu::always_inline]] static const char* run(Api& api, const Repeat& repeat) {
    std::uint64_t n = 0;
    bool good = true;
    repeat([&] [[gnu::always_inline]] {
      ++n;
      good &= api.move_horizon(n) == n;
    });
    return good ? nullptr : "a horizon that was not stored";
  }
};

template <class Operation, class Api>
void measure(benchmark::State& state, Api& api) {
  if (!api.open(SharedMemoryLayout().to_bytes())) throw WrongResult("a good header is refused");
  const char* const wrong = Operation::run(api, [&] [[gnu::always_inline]] (const auto& once) {
    for (auto _ : state) once();
  });
  if (wrong != nullptr) throw WrongResult(wrong);
}

// --- Shared objects -------------------------------------------------------------------------------

/// What went wrong when it was tried, in a child; empty: nothing.
template <class Operation>
std::string try_out(const harness::Subject& subject) {
  const harness::SubjectMemory memory(subject);
  const auto answer = harness::guarded([&](harness::Doing& doing) -> std::string {
    Tried api(subject, memory, doing);
    if (!api.open(SharedMemoryLayout().to_bytes())) return "a good header is refused";
    const char* const wrong = Operation::run(api, [](const auto& once) {
      for (std::uint64_t i = 0; i < kTrials; ++i) once();
    });
    return wrong != nullptr ? wrong : "";
  });
  if (!answer) return harness::call_did_not_return(answer.error(), memory, "").detail;
  if (!answer->empty()) return *answer;
  return memory.written_outside().value_or("");
}

template <class Operation>
void add(Cases& cases, const Settings& settings) {
  const auto push = [&](const char* call, std::string name, bool control, auto body) {
    cases.push_back({.facts = {{"group", "call"},
                               {"operation", Operation::kName},
                               {"call", call},
                               {"subject", std::move(name)}},
                     .body = std::move(body),
                     .control = control});
  };
  push("inlined", "hardened", false, [](benchmark::State& state) {
    Inlined api;
    measure<Operation>(state, api);
  });
  push("pointer", "hardened", false, [](benchmark::State& state) {
    Called api(our_functions(), ::fsqlshm_header_size(), ::fsqlshm_header_alignment());
    measure<Operation>(state, api);
  });
  if (!settings.subject) return;
  const harness::Subject& subject = *settings.subject;
  push("pointer", fact(subject.name()), true, [&subject](benchmark::State& state) {
    static const std::string kWrong = try_out<Operation>(subject);
    if (!kWrong.empty()) throw WrongResult(kWrong);
    Called api(subject.functions(), subject.header_size(), subject.alignment());
    measure<Operation>(state, api);
    if (const auto outside = api.memory().written_outside()) throw WrongResult(*outside);
  });
}

}  // namespace

void add_call_cases(Cases& cases, const Settings& settings) {
  add<Read>(cases, settings);
  add<Publish>(cases, settings);
  add<Open>(cases, settings);
  add<AcquireRelease>(cases, settings);
  add<Alloc>(cases, settings);
  add<GcHorizon>(cases, settings);
}

}  // namespace fsqlshm::bench
