// The sequential model against the golden traces, and mutants against the model.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fuzz/model.h"
#include "fuzz/run_calls.h"
#include "fuzz/stats.h"
#include "fuzz/testing/golden.h"

namespace fsqlshm::fuzz {
namespace {

State words_of(Bytes header) {
  State state{};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = wire::get64(header, 24 + 8 * i);
  return state;
}

nlohmann::json as_golden(const Step& step, const Answer& answer) {
  switch (answer.kind) {
    case Answer::kNothing:
    case Answer::kNone:
      return nullptr;
    case Answer::kFalse:
      return false;
    case Answer::kTrue:
      return true;
    case Answer::kOk:
      return "ok";
    case Answer::kBusy:
      return "busy";
    case Answer::kValue:
      return answer.values[0];
    case Answer::kTriple:
      return {answer.values[0], answer.values[1], answer.values[2]};
  }
  return to_string(step.call);
}

TEST(Model, AgreesWithTheGoldenTracesInBothDialects) {
  std::size_t steps = 0;
  for (const auto& trace : golden("traces.jsonl")) {
    const State start = words_of(unhex(trace["initial"]));
    for (const Dialect dialect : {Dialect::kReference, Dialect::kHardened}) {
      Model model(dialect, start);
      for (const auto& op : trace["ops"]) {
        const Step step = golden_step(op);
        const Answer answer = model.perform(step);
        ASSERT_EQ(as_golden(step, answer), op["ret"]) << trace["id"] << " " << describe(step);
        ASSERT_EQ(model.state(), words_of(unhex(op["bytes"]))) << trace["id"] << describe(step);
        ++steps;
      }
    }
  }
  EXPECT_GT(steps, 2000U);
}

TEST(Model, DialectsDifferOnTaggedWords) {
  State state{};
  state[kWriter] = (std::uint64_t{1} << 62) | (std::uint64_t{77} << 40) | 5;  // 77 is claiming
  state[kLease] = 10;
  const Step check = {.call = Call::kCheckExclusion, .dead = Dead::kNone, .a = 100};
  EXPECT_EQ(Model(Dialect::kReference, state).perform(check).kind, Answer::kOk);
  const Answer hardened = Model(Dialect::kHardened, state).perform(check);
  EXPECT_EQ(hardened.kind, Answer::kBusy);
  EXPECT_EQ(hardened.asked_pid, 77U);
}

// --- mutants -------------------------------------------------------------------------------------

template <class Hardened>
std::string attack(int count = 30000) {
  std::vector<std::uint8_t> buffer(kCallsShape.head_size +
                                   kCallsShape.record_size * kCallsShape.max_records);
  std::size_t size = 0;
  const auto keep = [](std::uint8_t*, std::size_t n, std::size_t) { return n; };
  for (int seed = 0; seed < count; ++seed) {
    size = mutate_records(kCallsShape, buffer, size, static_cast<std::uint32_t>(seed), keep);
    const auto failure = run_calls<ReferenceProtocol, Hardened>(Bytes(buffer).first(size));
    if (failure) return failure->property;
  }
  return "";
}

TEST(RunCalls, FindsNothingInTheLibrary) {
  EXPECT_EQ(attack<HardenedProtocol>(), "");
  // A run that never gets there would find nothing either.
  for (const char* name : {"acquired", "released", "busy", "judged_by_life", "odd_reads"}) {
    EXPECT_GT(counter_value(name), 100U) << name;
  }
}

struct SharesSeqlock {
  static constexpr std::string_view kName = "bad";
  template <Words W>
  using Seqlock = hardened::Seqlock<W>;
};

// Releases any owner.
struct ReleasesAnybody : SharesSeqlock {
  template <Words W>
  struct WriterIndicator : hardened::WriterIndicator<W> {
    explicit WriterIndicator(W& words) : hardened::WriterIndicator<W>(words), seam(words) {}
    bool release(TxnId) {
      const auto owner = this->check();
      return owner && hardened::WriterIndicator<W>::release(*owner);
    }
    W& seam;
  };
};
TEST(RunCalls, FindsAReleaseOfAnybody) { EXPECT_NE(attack<ReleasesAnybody>(), ""); }

// Forgets one word.
struct LeavesTheLease : SharesSeqlock {
  template <Words W>
  struct WriterIndicator : hardened::WriterIndicator<W> {
    explicit WriterIndicator(W& words) : hardened::WriterIndicator<W>(words), seam(words) {}
    bool release(TxnId id) {
      const auto lease = seam.load(Field::kSerializedWriterLeaseExpiry, std::memory_order::relaxed);
      if (!hardened::WriterIndicator<W>::release(id)) return false;
      seam.store(Field::kSerializedWriterLeaseExpiry, lease, std::memory_order::relaxed);
      return true;
    }
    W& seam;
  };
};
TEST(RunCalls, FindsALeftOverLease) { EXPECT_NE(attack<LeavesTheLease>(), ""); }

// Off by one second.
struct LeaseEndsLate : SharesSeqlock {
  template <Words W>
  struct WriterIndicator : hardened::WriterIndicator<W> {
    using hardened::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      return hardened::WriterIndicator<W>::check_exclusion(now == 0 ? 0 : now - 1, alive);
    }
  };
};
TEST(RunCalls, FindsALeaseThatEndsLate) { EXPECT_NE(attack<LeaseEndsLate>(), ""); }

struct SharesWriter {
  static constexpr std::string_view kName = "bad";
  template <Words W>
  using WriterIndicator = hardened::WriterIndicator<W>;
};

// Steps to the next even number on begin.
struct BeginOpensTwice : SharesWriter {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    explicit Seqlock(W& words) : hardened::Seqlock<W>(words), seam(words) {}
    void begin() {
      const auto seq = seam.load(Field::kSnapshotSeq, std::memory_order::relaxed);
      seam.store(Field::kSnapshotSeq, seq + 1, std::memory_order::relaxed);
    }
    W& seam;
  };
};
TEST(RunCalls, FindsABeginThatClosesAnOpenWindow) { EXPECT_NE(attack<BeginOpensTwice>(), ""); }

// Undefined behaviour, though every answer is right.
struct LoadsWithRelease : SharesWriter {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    explicit Seqlock(W& words) : hardened::Seqlock<W>(words), seam(words) {}
    void end() {
      // Volatile, or the compiler finds it first.
      const volatile std::memory_order impossible = std::memory_order::release;
      static_cast<void>(seam.load(Field::kSnapshotSeq, impossible));
      hardened::Seqlock<W>::end();
    }
    W& seam;
  };
};
TEST(RunCalls, FindsAnImpossibleMemoryOrder) {
  EXPECT_NE(attack<LoadsWithRelease>().find("a load with a release order"), std::string::npos);
}

// Waits for ever for a number to become even.
struct NeverGivesUp : SharesWriter {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    explicit Seqlock(W& words) : hardened::Seqlock<W>(words), seam(words) {}
    std::optional<ShmSnapshot> try_load_once() const {
      while (seam.load(Field::kSnapshotSeq, std::memory_order::acquire) % 2 != 0) seam.pause();
      return hardened::Seqlock<W>::try_load_once();
    }
    W& seam;
  };
};
TEST(RunCalls, FindsAnEndlessLoop) {
  EXPECT_NE(attack<NeverGivesUp>().find("more steps than any operation needs"), std::string::npos);
}

}  // namespace
}  // namespace fsqlshm::fuzz
