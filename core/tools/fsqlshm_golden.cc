// fsqlshm-golden: replays vectors of the Rust original on this implementation, or on a subject.

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fsqlshm/protocol.h"
#include "harness/guarded.h"
#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "harness/subject.h"
#include "tools/golden_replay.h"

namespace {

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): the program is about nothing else

struct Options {
  std::string folder;
  std::string protocol = "both";
  std::string subject;
};

// Says how a replay went; `options` are those that show it again.
void add(const golden::Report& report, const std::string& name, const std::string& options,
         harness::Result& result) {
  fmt::print("{}: {} headers, {} opens, {} traces of {} steps: {}\n", name, report.headers,
             report.opens, report.traces, report.steps,
             report.differences == 0 ? std::string("all match")
                                     : fmt::format("{} differ", report.differences));
  const std::string prefix = name + "_";
  result.counts[prefix + "headers"] = report.headers;
  result.counts[prefix + "opens"] = report.opens;
  result.counts[prefix + "traces"] = report.traces;
  result.counts[prefix + "steps"] = report.steps;
  if (report.differences == 0) return;
  fmt::print("first difference:\n  {}", report.first_difference);
  result.findings.push_back(
      {.severity = "violation",
       .property = "same results and bytes as the Rust original",
       .title = fmt::format("vectors differ on {}", name),  // no count: it is the same finding
       .detail = fmt::format("{} vectors differ; the first:\n{}", report.differences,
                             report.first_difference),
       .replay = fmt::format("fsqlshm-golden {}", options)});
}

template <class Protocol>
void run(const Options& options, harness::Result& result) {
  add(golden::replay<Protocol>(options.folder), std::string(Protocol::kName),
      fmt::format("{} --protocol {}", options.folder, Protocol::kName), result);
}

void count_vectors(harness::Result& result) {
  std::uint64_t vectors = 0;
  for (const auto& [name, count] : result.counts.items()) {
    if (!name.ends_with("_steps")) vectors += count.get<std::uint64_t>();
  }
  result.headline = fmt::format("{} vectors", vectors);
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
  count_vectors(result);
  return result;
}

// What a child that replays on a subject hands back.
nlohmann::json to_json(const golden::Report& report) {
  return {{"headers", report.headers},         {"opens", report.opens},
          {"traces", report.traces},           {"steps", report.steps},
          {"differences", report.differences}, {"first_difference", report.first_difference}};
}

golden::Report report_of(const nlohmann::json& document) {
  return {.headers = document["headers"],
          .opens = document["opens"],
          .traces = document["traces"],
          .steps = document["steps"],
          .differences = document["differences"],
          .first_difference = document["first_difference"]};
}

// In a child: a subject may crash, or hang.
harness::Result replay_subject(const Options& options) {
  const auto subject = harness::Subject::load(options.subject);
  if (!subject) {
    harness::Result result("golden", options.subject);
    result.could_not_run = subject.error();
    return result;
  }
  harness::Result result("golden", subject->name());
  result.details["subject"] = subject->describe();
  const harness::SubjectMemory memory(*subject);
  const std::string again = fmt::format("{} --subject {}", harness::quoted(options.folder),
                                        harness::quoted(options.subject));
  const auto answer = harness::guarded([&](harness::Doing& doing) {
    try {
      return to_json(golden::replay(options.folder, *subject, memory, doing)).dump();
    } catch (const golden::BadVectors& error) {
      return nlohmann::json{{"bad_vectors", error.what()}}.dump();
    }
  });
  if (!answer) {
    result.findings.push_back(
        harness::call_did_not_return(answer.error(), memory, "fsqlshm-golden " + again));
    fmt::print("{}: {}\n", subject->name(), result.findings.back().detail);
  } else if (const auto document = nlohmann::json::parse(*answer);
             document.contains("bad_vectors")) {
    result.could_not_run = document["bad_vectors"];
    return result;
  } else {
    add(report_of(document), subject->name(), again, result);
    count_vectors(result);
  }
  if (const auto outside = harness::wrote_outside(memory, "fsqlshm-golden " + again)) {
    fmt::print("{}: {}\n", subject->name(), outside->detail);
    result.findings.push_back(*outside);
  }
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
               .check = harness::one_of({"reference", "hardened", "both"}),
               .excludes = {"--subject"}});
  program.add(harness::subject_option(options.subject));
  program.add_documents();
  return program.run(argc, argv, [&] {
    return program.finish(options.subject.empty() ? replay(options) : replay_subject(options));
  });
}
