#include "stress/creation_points.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "core/src/before_call.h"
#include "fsqlshm/shm_file.h"
#include "harness/run.h"
#include "stress/child.h"

namespace fsqlshm::stress {
namespace {

namespace fs = std::filesystem;

struct Way {
  std::string_view name;
  bool nameless;  // O_TMPFILE
  bool durable;
};

// Creates the file and asks `before` at every call.
void create(const Way& way, const fs::path& path, const internal::BeforeCall& before) {
  const internal::ScopedBeforeCall scope([&](const char* call) {
    // A file system that does not know files without a name.
    if (!way.nameless && std::string_view(call) == "openat(O_TMPFILE)") return EOPNOTSUPP;
    return before(call);
  });
  static_cast<void>(ShmFile::create(path, {.durable = way.durable}));
}

// The calls of one creation, in order.
std::vector<std::string> calls_of(const Way& way, const fs::path& path) {
  std::vector<std::string> calls;
  create(way, path, [&](const char* call) {
    calls.emplace_back(call);
    return 0;
  });
  fs::remove(path);
  return calls;
}

// What the next process finds.
std::string outcome_of(const fs::path& path) {
  std::string outcome = "absent";
  if (fs::exists(path)) {
    const auto file = ShmFile::open(path);
    outcome = file && validate(file->header_bytes()).empty() ? "complete" : "half-made";
  }
  const auto file = ShmFile::open_or_create(path);
  if (!file || !validate(file->header_bytes()).empty()) return outcome + ", and unusable";
  return outcome;
}

}  // namespace

void run_creation_points(const fs::path& folder, harness::Result& result) {
  const auto find = [&](std::string title) {
    result.findings.push_back({.severity = "violation",
                               .property = "creation",
                               .title = std::move(title),
                               .detail = "",
                               .file = "stress/creation_points.cc"});
  };
  const fs::path where = folder / "create";
  const fs::path path = where / "x.db.fsqlite-shm";
  fs::create_directory(where);
  fmt::print("Death before each system call of creating the file.\n");
  std::uint64_t points = 0;
  std::uint64_t calls_in_all = 0;
  nlohmann::json table = nlohmann::json::array();
  for (const Way& way : {Way{"without a name", true, false},
                         {"without a name, durable", true, true},
                         {"under another name", false, false},
                         {"under another name, durable", false, true}}) {
    const std::vector<std::string> calls = calls_of(way, path);
    calls_in_all += calls.size();
    nlohmann::json row = {{"way", way.name}, {"calls", nlohmann::json::array()}};
    std::string line;
    bool linked = false;
    for (std::size_t k = 0; k < calls.size() && !harness::stop_requested(); ++k) {
      Child child([&] {
        std::size_t count = 0;
        create(way, path, [&](const char*) {
          if (count++ == k) ::kill(::getpid(), SIGKILL);
          return 0;
        });
        return 0;
      });
      if (child.wait() != Child::End::kKilled) {
        find(fmt::format("{}: no death before call {}, {}", way.name, k + 1, calls[k]));
        continue;
      }
      ++points;
      // From the call after linkat on the file is there, and before it is not.
      const std::string outcome = outcome_of(path);
      if (outcome != (linked ? "complete" : "absent")) {
        find(fmt::format("{}: the file is {} after a death before call {}, {}", way.name, outcome,
                         k + 1, calls[k]));
      }
      linked = linked || calls[k] == "linkat";
      row["calls"].push_back({{"call", calls[k]}, {"outcome", outcome}});
      line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", calls[k], outcome);
      for (const auto& entry : fs::directory_iterator(where)) fs::remove(entry);
    }
    fmt::print("  {} ({} calls): {}\n", way.name, calls.size(), line);
    table.push_back(std::move(row));
  }
  fmt::print("{} creation points for {} system calls.\n\n", points, calls_in_all);
  result.details["creation"] = std::move(table);
  result.counts["creation_points"] = points;
  result.counts["system_calls"] = calls_in_all;
}

}  // namespace fsqlshm::stress
