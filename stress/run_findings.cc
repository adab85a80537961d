#include "stress/run_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "harness/describe.h"

namespace fsqlshm::stress {

void RunFindings::add(std::string_view property, std::string title, std::string detail,
                      std::string_view defect) {
  harness::Finding finding = {.property = std::string(property),
                              .defect = std::string(defect),
                              .title = std::move(title),
                              .detail = std::move(detail),
                              .file = "stress/runner.cc"};
  subject_.classify(finding);
  result_.findings.push_back(std::move(finding));
}

void RunFindings::add_with_context(std::string_view property, std::string title,
                                   const std::string& detail, std::string_view defect) {
  add(property, std::move(title), fmt::format("{}\n{}", detail, context()), defect);
}

void RunFindings::add_call(harness::Finding finding) {
  const bool known = std::ranges::any_of(result_.findings, [&](const harness::Finding& other) {
    return other.property == finding.property && other.title == finding.title;
  });
  if (known) return;
  finding.detail = fmt::format("{}\n{}", finding.detail, context());
  result_.findings.push_back(std::move(finding));
}

void RunFindings::add_violations() {
  // Those that report while we read them find their way into the next line.
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const std::uint64_t now = now_ns();
  control_.violations.visit([&](const Violation& violation) {
    const Check& check = *violation.check;
    std::string detail = fmt::format(
        "worker {} (incarnation {}), thread {}, {:.3f} ms before this report\n", violation.worker,
        violation.incarnation, violation.thread, static_cast<double>(now - violation.ns) / 1e6);
    for (std::size_t i = 0; i < check.values.size(); ++i) {
      if (check.values[i].empty()) continue;
      detail += fmt::format("{0}: {1} ({1:#x})\n", check.values[i], violation.values[i]);
    }
    add_with_context(check.property, std::string(check.title), detail, check.defect);
  });
}

void RunFindings::add_end(const Workers::End& end) {
  if (end.how.exited(kTsanExitStatus)) {
    std::ifstream in(fmt::format("{}.{}", config_.reports.string(), end.pid));
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    add("no data race",
        text.find("data race") != std::string::npos
            ? "ThreadSanitizer reported a data race in a worker"
            : "ThreadSanitizer ended a worker",
        text);
    return;
  }
  if (end.how.exited() && control_.stop.load() != 0) return;
  for (const ThreadState& thread : control_.threads[end.worker]) {
    if (!thread.last_words.fell()) continue;
    add_call(subject_.did_not_return(
        harness::GuardedFailure::crashed(thread.last_words, end.how.text())));
    return;
  }
  add("workers live until they are killed",
      fmt::format("worker {} (process {}) {}", end.worker, end.pid,
                  end.how.exited(kWorkerOpenFailed) ? "could not open the file" : end.how.text()),
      "");
}

std::string RunFindings::context() const {
  return fmt::format("seed {}\n\n{}\nlast events (ms before the report):\n{}", config_.seed,
                     harness::header_table(subject_.header_bytes()), last_events());
}

std::string RunFindings::last_events() const {
  const std::uint64_t now = now_ns();
  const std::vector<const Role*> roles = config_.threads();
  std::string text;
  for (std::size_t worker = 0; worker < kMaxWorkers; ++worker) {
    for (std::size_t thread = 0; thread < roles.size(); ++thread) {
      std::string events;
      control_.threads[worker][thread].events.visit([&](const EventRing::Entry& entry) {
        if (entry.what == nullptr) return;
        events += fmt::format("    -{:.3f} {} {} {}\n", static_cast<double>(now - entry.ns) / 1e6,
                              entry.what, entry.a, entry.b);
      });
      if (events.empty()) continue;
      text += fmt::format("  worker {} thread {} ({})\n{}", worker, thread, roles[thread]->name,
                          events);
    }
  }
  return text;
}

}  // namespace fsqlshm::stress
