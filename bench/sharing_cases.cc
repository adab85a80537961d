// False sharing. The wire format puts next_txn_id at 24 and the seqlock at 32 to 63, so in a file
// mapped at a page they are one cache line; gc_horizon and the writer indicator are in the next.

#include "cases.h"
#include "harness/child.h"
#include "subjects/header.h"

namespace fsqlshm::bench {
namespace {

struct alignas(4096) Elsewhere {
  std::atomic<std::uint64_t> word{0};
};

struct Traffic {
  const char* name;
  void (*step)(Hardened&, std::atomic<std::uint64_t>& elsewhere, std::uint64_t n);
};

constexpr std::array<Traffic, 4> kTraffic = {{
    // What a line of its own would cost: the other core is busy, and no more.
    {"elsewhere", [](Hardened&, std::atomic<std::uint64_t>& word,
                     std::uint64_t) { word.fetch_add(1, std::memory_order::relaxed); }},
    {"alloc_txn_id", [](Hardened& header, std::atomic<std::uint64_t>&,
                        std::uint64_t) { (void)header.layout().alloc_txn_id(); }},
    {"gc_horizon", [](Hardened& header, std::atomic<std::uint64_t>&,
                      std::uint64_t n) { header.layout().store_gc_horizon(CommitSeq(n)); }},
    {"writer",
     [](Hardened& header, std::atomic<std::uint64_t>&, std::uint64_t n) {
       const TxnId id = TxnId::from_raw(n).value();
       if (header.layout().acquire_serialized_writer(id, 1, kKnownBirth, 1)) {
         header.layout().release_serialized_writer(id);
       }
     }},
}};

template <class Measured>
void next_to(benchmark::State& state, const Traffic& traffic, double per_second,
             Measured measured) {
  harness::Shared<Hardened::Memory> memory;
  harness::Shared<Elsewhere> elsewhere;
  Hardened subject(*memory);
  subject.publish(triple_of(1));
  Background background(Where::kThread, publisher_cpu(), per_second,
                        [&, header = Hardened(*memory)](std::uint64_t n) mutable {
                          traffic.step(header, elsewhere->word, n);
                        });
  for (auto _ : state) measured(subject);
  report_rate(state, "traffic_per_second", background);
}

}  // namespace

void add_sharing_cases(Cases& cases) {
  for (const Traffic& traffic : kTraffic) {
    for (const double rate : {1e5, 1e6, kSaturating}) {
      const auto add = [&](const char* group, auto measured) {
        cases.push_back(
            {.facts = {{"group", group}, {"traffic", traffic.name}, {"rate", rate_name(rate)}},
             .body = [=, &traffic](
                         benchmark::State& state) { next_to(state, traffic, rate, measured); },
             .clock = Clock::kReal});
      };
      add("sharing/read", [](const Hardened& subject) { consume(subject.read()); });
      add("sharing/publish", [n = std::uint64_t{1}](Hardened& subject) mutable {
        subject.publish(triple_of(++n));
        asm volatile("" : : : "memory");
      });
    }
  }
}

}  // namespace fsqlshm::bench
