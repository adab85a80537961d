// fsqlshm-inspect: looks at a header, also one that is broken or in use, and repairs it if asked.
//
// --json writes a result document (engine "stress", subject: the file's path) with
//   details.fields       the header, see header_fields
//   details.open         "ok" or the name of the error
//   details.validate     names of what is wrong, as far as it did not pass
//   details.publication  {"seq", "locked", "state": "stable", "in progress" or "crash-stale"}
//   details.writer       {"state", "id", "pid", "alive", "generation", "lease_expiry",
//                         "lease_left", "stale", "text"}
//   details.repaired     bool

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/describe.h"
#include "harness/program.h"
#include "harness/result.h"
#include "stress/describe.h"

namespace {

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): the program is about nothing else

struct Options {
  std::string file;
  bool repair = false;
  std::optional<std::uint64_t> commit_seq;
  std::optional<std::uint64_t> schema_epoch;
  std::optional<std::uint64_t> ecs_epoch;
};

std::uint64_t now_epoch_secs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

// On a live header, wrong states may pass: what is wrong must stay wrong, with the same words,
// at 20 looks.
std::vector<ShmError> lasting_errors(const std::string& file, HeaderBytes& bytes) {
  std::vector<ShmError> lasting = validate(bytes);
  for (int look = 0; look < 20 && !lasting.empty(); ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto again = read_header_bytes(file);
    if (!again) break;
    bytes = *again;
    const std::vector<ShmError> now = validate(bytes);
    std::erase_if(
        lasting, [&](const ShmError& error) { return std::ranges::find(now, error) == now.end(); });
  }
  return lasting;
}

class Inspection {
 public:
  Inspection(const harness::Program& program, const Options& options)
      : program_(program), options_(options), result_("stress", options.file) {}

  harness::ExitCode run() {
    if (options_.repair) {
      if (const auto refused = repair()) return program_.refuse(*refused);
    }
    const auto bytes = read_header_bytes(options_.file);
    if (!bytes) {
      return program_.refuse(fmt::format("{}: {}", options_.file, bytes.error().message()));
    }
    inspect(*bytes);
    fmt::print("{}\n", result_.findings.empty() ? "healthy" : "not healthy");
    return program_.finish(result_);
  }

 private:
  // Why not, if not.
  std::optional<std::string> repair() const {
    const auto file = ShmFile::open(options_.file);
    if (!file) return fmt::format("{}: {}", options_.file, file.error().message());
    auto locked = file->try_lock_publication();
    if (!locked) return locked.error().message();
    auto& guard = *locked;
    if (!guard) {
      return fmt::format("{}: a live publisher holds the publication lock; nothing was changed",
                         options_.file);
    }
    // NOLINTBEGIN(bugprone-unchecked-optional-access): the command line has them all with --repair
    guard->reconcile(CommitSeq(*options_.commit_seq), SchemaEpoch(*options_.schema_epoch),
                     *options_.ecs_epoch);
    // NOLINTEND(bugprone-unchecked-optional-access)
    return std::nullopt;
  }

  void wrong(std::string title, std::string detail) {
    fmt::print("PROBLEM: {}{}{}\n", title, detail.empty() ? "" : ": ", detail);
    result_.findings.push_back({.severity = "violation",
                                .property = "healthy header",
                                .title = std::move(title),
                                .detail = std::move(detail)});
  }

  void inspect(HeaderBytes bytes) {
    // The file may be too short, or its regions wrong, though the header is good.
    const auto file = ReadOnlyShmFile::open(options_.file);
    const std::vector<ShmError> errors = lasting_errors(options_.file, bytes);
    fmt::print("{}", harness::header_table(bytes));
    result_.details["fields"] = stress::header_fields(bytes);
    const auto header = SharedMemoryLayout::open(bytes);
    fmt::print("\nlayout checksum: {}\n", header ? "right"
                                          : header.error() == ShmErrorCode::kChecksumMismatch
                                              ? "WRONG"
                                              : "not looked at");
    result_.details["open"] = file ? "ok" : to_string(file.error().code());
    result_.details["repaired"] = options_.repair;
    if (options_.repair) fmt::print("repaired: the snapshot is what was asked for\n");
    if (!file) {
      wrong("the file cannot be opened", file.error().message());
      if (!header) return;
    }
    publication(bytes, file);
    writer(bytes);
    nlohmann::json names = nlohmann::json::array();
    for (const ShmError& error : errors) {
      names.push_back(to_string(error.code()));
      if (error == ShmErrorCode::kSnapshotSeqOdd) continue;  // told above
      wrong(std::string(to_string(error.code())), error.message());
    }
    result_.details["validate"] = std::move(names);
  }

  void publication(HeaderBytes& bytes, const std::expected<ReadOnlyShmFile, ShmError>& file) {
    // A number that stays odd while no process holds the lock has no publisher any more.
    bool locked = false;
    std::uint64_t seq = harness::word_at(bytes, Field::kSnapshotSeq);
    bool stale = seq % 2 == 1;
    for (int look = 0; look < 5 && stale; ++look) {
      locked = file && file->publication_locked().value_or(false);
      const auto again = read_header_bytes(options_.file);
      stale = !locked && again && harness::word_at(*again, Field::kSnapshotSeq) == seq;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (seq % 2 == 0) locked = file && file->publication_locked().value_or(false);
    const char* const state = seq % 2 == 0 ? "stable" : (stale ? "crash-stale" : "in progress");
    fmt::print("snapshot: {}; the publication lock is {}\n", state, locked ? "held" : "free");
    result_.details["publication"] = {{"seq", seq}, {"locked", locked}, {"state", state}};
    if (stale) {
      wrong("a publisher died half-way and readers get nothing",
            "repair with --repair and the durable values");
    }
  }

  void writer(const HeaderBytes& bytes) {
    const stress::WriterReport report = stress::writer_report(bytes, now_epoch_secs());
    fmt::print("writer: {}\n", report.text());
    result_.details["writer"] = {{"state", report.state},
                                 {"id", report.id},
                                 {"pid", report.process.pid},
                                 {"alive", report.alive},
                                 {"generation", report.generation},
                                 {"lease_expiry", report.lease_expiry},
                                 {"lease_left", report.lease_left},
                                 {"stale", report.stale},
                                 {"text", report.text()}};
    if (report.stale) wrong("the serialized writer is stale", report.text());
  }

  const harness::Program& program_;
  const Options& options_;
  harness::Result result_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-inspect",
      "Show the header of a shared-memory file and say whether it is healthy. Works while other\n"
      "processes use the file, and writes nothing without --repair.\n"
      "Exit status: 0 healthy, 1 something is wrong, 2 could not look or repair.");
  program.add(
      {.name = "file", .target = &options.file, .help = "foo.db.fsqlite-shm", .required = true});
  program.add_documents();
  for (const auto& [name, target, what] :
       {std::tuple("--commit-seq", &options.commit_seq, "the durable commit sequence number"),
        std::tuple("--schema-epoch", &options.schema_epoch, "the durable schema epoch"),
        std::tuple("--ecs-epoch", &options.ecs_epoch, "the durable ECS epoch")}) {
    program.add({.name = name,
                 .target = target,
                 .help = what,
                 .check = harness::whole_number(0),
                 .needs = {"--repair"}});
  }
  program.add({.name = "--repair",
               .target = &options.repair,
               .help = "put these three values in force; refused while a publisher holds the lock",
               .needs = {"--commit-seq", "--schema-epoch", "--ecs-epoch"}});
  return program.run(argc, argv, [&] { return Inspection(program, options).run(); });
}
