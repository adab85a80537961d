// False sharing. The wire format puts next_txn_id at 24 and the seqlock at 32 to 63, so in a file
// mapped at a page they are one cache line; gc_horizon and the writer indicator are in the next.

#include "cases.h"
#include "comparators/header.h"
#include "mapping.h"

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
    // What a line of its own would cost: nothing but the other core's being busy.
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
void beside(benchmark::State& state, const Traffic& traffic, double per_second, Measured measured) {
  const PinScope pin(reader_cpu(0));
  Mapped<Hardened::Shared> shared;
  Mapped<Elsewhere> elsewhere;
  Hardened subject(*shared);
  subject.publish(triple_of(1));
  Background background(Where::kThread, publisher_cpu(), per_second,
                        [&, header = Hardened(*shared)](std::uint64_t n) mutable {
                          traffic.step(header, elsewhere->word, n);
                        });
  for (auto _ : state) measured(subject);
  report_rate(state, "traffic_per_second", background);
}

}  // namespace

void add_sharing_cases(Cases& cases) {
  for (const Traffic& traffic : kTraffic) {
    for (const double rate : {1e5, 1e6, kSaturating}) {
      const std::string variant = std::string(traffic.name) + "/" + rate_name(rate);
      cases.push_back({.name = "sharing/read/" + variant,
                       .clock = Clock::kReal,
                       .body = [&traffic, rate](benchmark::State& state) {
                         beside(state, traffic, rate,
                                [](const Hardened& subject) { consume(subject.read()); });
                       }});
      cases.push_back({.name = "sharing/publish/" + variant,
                       .clock = Clock::kReal,
                       .body = [&traffic, rate](benchmark::State& state) {
                         beside(state, traffic, rate,
                                [n = std::uint64_t{1}](Hardened& subject) mutable {
                                  subject.publish(triple_of(++n));
                                  asm volatile("" : : : "memory");
                                });
                       }});
    }
  }
}

}  // namespace fsqlshm::bench
