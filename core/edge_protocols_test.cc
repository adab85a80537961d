// The two protocols against each other.

#include "edge_test.h"

namespace fsqlshm {
namespace {

// --- The two protocols against each other -----------------------------------------------------

// One random operation on both; true if they answered alike.
bool step_both(OwnedSharedMemoryLayout<ReferenceProtocol>& a,
               OwnedSharedMemoryLayout<HardenedProtocol>& b) {
  const auto value = [] {
    return *rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(),
                           rc::gen::inRange<std::uint64_t>(0, 6),
                           rc::gen::element(kMax64, TxnId::kMaxRaw));
  };
  const auto both = [&](auto&& operation) { return operation(a) == operation(b); };
  switch (*rc::gen::inRange(0, 9)) {
    case 0: {
      const TxnId id = txn(*rc::gen::inRange<std::uint64_t>(1, 5));
      const auto pid = static_cast<std::uint32_t>(*rc::gen::inRange(0, 4));
      const std::uint64_t birth = value();
      const std::uint64_t lease = value();
      return both([&](auto& l) { return l.acquire_serialized_writer(id, pid, birth, lease); });
    }
    case 1: {
      const TxnId id = txn(*rc::gen::inRange<std::uint64_t>(1, 5));
      return both([&](auto& l) { return l.release_serialized_writer(id); });
    }
    case 2: {
      const std::uint64_t now = value();
      const bool alive = *rc::gen::arbitrary<bool>();
      return both([&](auto& l) {
        return l.check_serialized_writer_exclusion(
            now, [&](std::uint32_t, std::uint64_t) { return alive; });
      });
    }
    case 3: {
      const ShmSnapshot s{CommitSeq(value()), SchemaEpoch(value()), value()};
      return both([&](auto& l) {
        l.publish_snapshot(s.commit_seq, s.schema_epoch, s.ecs_epoch);
        return l.load_commit_seq();
      });
    }
    case 4:
      return both([](auto& l) {
        l.begin_snapshot_publish();
        return l.try_load_consistent_snapshot(1);
      });
    case 5:
      return both([](auto& l) {
        l.end_snapshot_publish();
        return l.try_load_consistent_snapshot(2);
      });
    case 6:
      return both([](auto& l) { return l.alloc_txn_id(); });
    case 7: {
      const CommitSeq horizon(value());
      return both([&](auto& l) {
        l.store_gc_horizon(horizon);
        return l.load_gc_horizon();
      });
    }
    default:
      return both([](auto& l) { return l.check_serialized_writer(); });
  }
}

TEST(BothProtocols, AreSequentiallyIndistinguishableByteForByte) {
  EXPECT_TRUE(rc::check("same answers and same bytes after every operation", [] {
    // Any dynamic words, the writer's being 0 or an id.
    HeaderBytes bytes = fresh();
    for (const Field field : kAtomicFields) {
      put(bytes, offset_of(field), *rc::gen::arbitrary<std::uint64_t>());
    }
    put(bytes, offsets::kSerializedWriterTxnId, *rc::gen::inRange<std::uint64_t>(0, 5));
    auto a = OwnedSharedMemoryLayout<ReferenceProtocol>::open(bytes).value();
    auto b = OwnedSharedMemoryLayout<HardenedProtocol>::open(bytes).value();
    for (int steps = *rc::gen::inRange(1, 40); steps > 0; --steps) {
      RC_ASSERT(step_both(a, b));
      RC_ASSERT(a.to_bytes() == b.to_bytes());
    }
  }));
}

}  // namespace
}  // namespace fsqlshm
