// Scenarios with writers that gave no pid or no birth: their lease speaks for them, and nothing else does.

#include "harness/scenarios/bodies.h"

namespace fsqlshm::harness {
namespace {

const AddScenario kUnknownOwner(
    {.name = "unknown-owner",
     .properties = "P1 P2 P3",
     .description = "an owner without pid and lease releases; after a check another claims",
     .outcomes = {"busy", "ok", "followed"},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer();
           h.acquire_as(0, 1, 0, Named::kNoPid);
         },
     .threads = {{"writer 1 releases", [](Header& h) { h.release(1); }},
                 {"check, then writer 2",
                  [](Header& h) {
                    h.reach(h.check(kNow) == Exclusion::kBusy ? "busy" : "ok");
                    if (h.acquire(2, kLater)) h.reach("followed");
                  }}},
     .after = &Header::finish_writer});

const AddScenario kUnknownOwnerLeased(
    {.name = "unknown-owner-leased",
     .properties = "busy only for a live writer, P3",
     .description = "a check of an owner without birth whose lease has run out, and its release",
     .outcomes = {"evicted", "released"},
     .defect = {"D6", kBusyProperty},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer(true);
           h.acquire_as(0, 1, kSoon, Named::kNoBirth);
         },
     .threads = {{"writer 1 releases",
                  [](Header& h) { h.reach(h.release(1) ? "released" : "evicted"); }},
                 {"check", [](Header& h) { h.check(kThen); }}},
     .after = &Header::finish_writer});

const AddScenario kUnknownWriterDies(
    {.name = "unknown-writer-dies",
     .properties = "P4 P1 P2",
     .description = "a writer without birth may die; checks leave it what only clear may take",
     .outcomes = {"death repaired", "claim left", "owner left", "cleaning left", "busy"},
     .defect = {"D2", kP4},
     .spins = 10,
     .before = [](Header& h) { h.init_writer(); },
     .threads = {{.title = "writer 1, may die",
                  .body =
                      [](Header& h) {
                        h.acquire(1, kSoon, Named::kNoBirth);
                        h.release(1);
                      },
                  .may_die = true},
                 {"check, then writer 2",
                  [](Header& h) {
                    if (h.check(kNow) == Exclusion::kBusy) h.reach("busy");
                    h.acquire(2, kLater);
                  }}},
     .after =
         [](Header& h) {
           const std::uint64_t state = h.execution().newest(Field::kSerializedWriterTxnId);
           const auto tag = hardened::writer_tag(state);
           if (tag == hardened::WriterTag::kClaiming) h.reach("claim left");
           if (tag == hardened::WriterTag::kCleaning) h.reach("cleaning left");
           if (state == 1) h.reach("owner left");
           finish_after_deaths(h);
         }});

}  // namespace
}  // namespace fsqlshm::harness
