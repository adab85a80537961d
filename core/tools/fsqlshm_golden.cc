// fsqlshm-golden: replays vectors of the Rust original on this implementation.

#include <fmt/format.h>

#include <string>

#include "fsqlshm/protocol.h"
#include "harness/program.h"
#include "harness/result.h"
#include "tools/golden_replay.h"

namespace {

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): the program is about nothing else

struct Options {
  std::string folder;
  std::string protocol = "both";
};

// Replays on one protocol and says how it went.
template <class Protocol>
void run(const Options& options, harness::Result& result) {
  const golden::Report report = golden::replay<Protocol>(options.folder);
  fmt::print("{}: {} headers, {} opens, {} traces of {} steps: {}\n", Protocol::kName,
             report.headers, report.opens, report.traces, report.steps,
             report.differences == 0 ? std::string("all match")
                                     : fmt::format("{} differ", report.differences));
  const std::string prefix = std::string(Protocol::kName) + "_";
  result.counts[prefix + "headers"] = report.headers;
  result.counts[prefix + "opens"] = report.opens;
  result.counts[prefix + "traces"] = report.traces;
  result.counts[prefix + "steps"] = report.steps;
  if (report.differences == 0) return;
  fmt::print("first difference:\n  {}", report.first_difference);
  result.findings.push_back(
      {.severity = "violation",
       .property = "same results and bytes as the Rust original",
       .title = fmt::format("{} vectors differ on {}", report.differences, Protocol::kName),
       .detail = report.first_difference,
       .replay = fmt::format("fsqlshm-golden {} --protocol {}", options.folder, Protocol::kName)});
}

harness::Result replay(const Options& options) {
  harness::Result result("golden", options.protocol);
  try {
    if (options.protocol != "hardened") run<ReferenceProtocol>(options, result);
    if (options.protocol != "reference") run<HardenedProtocol>(options, result);
  } catch (const golden::BadVectors& error) {
    result.could_not_run = error.what();
    return result;
  }
  std::uint64_t vectors = 0;
  for (const auto& [name, count] : result.counts.items()) {
    if (!name.ends_with("_steps")) vectors += count.get<std::uint64_t>();
  }
  result.headline = fmt::format("{} vectors", vectors);
  return result;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): out of memory may end the program as it likes
int main(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-golden",
      "Replays golden vectors made by the Rust original and compares results, return values and\n"
      "all 216 bytes. Exit status: 0 all match, 1 a difference, 2 vectors missing or malformed.");
  program.add({.name = "DIR",
               .target = &options.folder,
               .help = "folder with headers.jsonl, open.jsonl and traces.jsonl",
               .required = true});
  program.add({.name = "--protocol",
               .target = &options.protocol,
               .help = "which implementation to run",
               .check = harness::one_of({"reference", "hardened", "both"})});
  program.add_documents();
  return program.run(argc, argv, [&] { return program.finish(replay(options)); });
}
