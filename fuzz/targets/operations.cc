// API calls on a header, on both protocols, against a sequential model.

#include "fuzz/run_calls.h"
#include "fuzz/subject_under_test.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

// Edges of ids, tagged words, births and leases.
static constexpr DictionaryEntry kDictionary[] = {
    {"id_max", "\xff\xff\xff\xff\xff\xff\xff\x3f"},
    {"id_limit", {"\0\0\0\0\0\0\0\x40", 8}},
    {"claiming_77", {"\5\0\0\0\0\x4d\0\x40", 8}},
    {"cleaning_77", {"\5\0\0\0\0\x4d\0\x80", 8}},
    {"unused_tag", {"\0\0\0\0\0\0\0\xc0", 8}},
    {"known_birth", {"\5\0\0\0\0\0\0\x80", 8}},
    {"all_ones", "\xff\xff\xff\xff\xff\xff\xff\xff"},
    {"generation_max", {"\1\0\0\0\xff\xff\xff\xff", 8}},
};
static constexpr std::string_view kReaches[] = {"acquired",       "released",  "busy",
                                                "judged_by_life", "odd_reads", "ids_used_up"};

static std::optional<Failure> run(Bytes input) {
  auto failure = run_calls<ReferenceProtocol, HardenedProtocol>(input);
  // After the library, whose instrumentation guides the engine.
  if (g_subject_given && !failure) [[unlikely]]
    return run_calls_on_subject(input);
  return failure;
}

constinit const Target kTarget = {
    .name = "operations",
    .description = "a start state and up to 32 calls; a sequential model, after every call",
    .max_size = kCallsShape.max_size(),
    .run = run,
    .mutate = mutate_records<kCallsShape>,
    .cross = cross_records<kCallsShape>,
    .units = call_units,
    .records = kCallsShape,
    .explain = explain_calls,
    .option = subject_option,
    .takes_subject = true,
    .dictionary = kDictionary,
    .reaches = kReaches,
    .weight = 3,
};

}  // namespace fsqlshm::fuzz
