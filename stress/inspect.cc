// fsqlshm-inspect: looks at a file, also one that is broken or in use, and repairs it if asked.
//
// Looking touches no mapping, so a file that is truncated meanwhile is an error and no signal.
//
// --json writes a result document (engine "stress", subject: the file's path) with
//   details.fields        the header, see header_fields
//   details.open          "ok" or the name of the error
//   details.validate      names of what is wrong, as far as it did not pass
//   details.users         {"known", "opens": [{"pid", "token"}], "first_opener_at_work"}
//   details.next_opener   "joins", "waits", "recovers", "makes anew", "refuses" or "unknown"
//   details.publication   {"seq", "locked": null if unknown, "state": "stable", "in progress",
//                          "crash-stale" or "unknown"}
//   details.writer        {"state", "id", "pid", "alive": null if unknown, "generation",
//                          "lease_expiry", "lease_unit", "lease_left", "stale", "text"}
//   details.repaired      bool
//   details.cleared       bool

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <utility>
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
  bool lower = false;
  std::optional<std::uint64_t> clear_writer;
  std::optional<std::uint64_t> commit_seq;
  std::optional<std::uint64_t> schema_epoch;
  std::optional<std::uint64_t> ecs_epoch;
};

std::uint64_t now_epoch_secs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

// Repairs touch the mapping.
void refuse_when_truncated() {
  std::signal(SIGBUS, [](int) {
    constexpr std::string_view kWhy = "fsqlshm-inspect: the file was truncated meanwhile\n";
    static_cast<void>(::write(STDERR_FILENO, kWhy.data(), kWhy.size()) == 0);
    ::_exit(harness::kExitCouldNotRun);
  });
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
    if (options_.repair || options_.clear_writer) {
      refuse_when_truncated();
      if (const auto refused = options_.repair ? repair() : clear_writer()) {
        return program_.refuse(fmt::format("{}: {}; nothing was changed", options_.file, *refused));
      }
    }
    const auto bytes = read_header_bytes(options_.file);
    if (!bytes) {
      const bool missing =
          bytes.error() == ShmErrorCode::kFileOpen && bytes.error().found() == ENOENT;
      return program_.refuse(fmt::format("{}: {}{}", options_.file, bytes.error().message(),
                                         missing ? "; the next opener would create it" : ""));
    }
    inspect(*bytes);
    fmt::print("{}\n", result_.findings.empty() ? "healthy" : "not healthy");
    return program_.finish(result_);
  }

 private:
  // --- Repairs: why not, if not --------------------------------------------------------------------

  // Both join those who have the file open. Where nobody has, the next opener establishes the state;
  // one that trusted what it finds would let others in without that. Nothing is left behind then, not
  // even a lock file.
  std::expected<ShmFile, std::string> join() const {
    constexpr const char* kNobody =
        "nobody has it open, so the next opener establishes its state and there is nothing to "
        "repair";
    const auto users = users_of(options_.file);
    if (users && users->opens.empty() && !users->first_opener_at_work) {
      const auto file = ReadOnlyShmFile::open(options_.file, {.trust_found_state = true});
      return std::unexpected(file ? kNobody : file.error().message());
    }
    auto file = ShmFile::open(options_.file);
    if (file) return std::move(*file);
    return std::unexpected(file.error() == ShmErrorCode::kNeedsRecovery ? kNobody
                                                                        : file.error().message());
  }

  // The command line has all three values with --repair.
  std::optional<std::string> repair() const {
    const auto file = join();
    if (!file) return file.error();
    auto locked = file->try_lock_publication();
    if (!locked) return locked.error().message();
    auto& guard = *locked;
    if (!guard) return "a live publisher holds the publication lock";
    const std::uint64_t commit_seq = options_.commit_seq.value_or(0);
    const std::uint64_t schema_epoch = options_.schema_epoch.value_or(0);
    const std::uint64_t ecs_epoch = options_.ecs_epoch.value_or(0);
    const HeaderBytes bytes = file->header_bytes();
    for (const auto& [field, asked] :
         {std::pair(Field::kCommitSeq, commit_seq), std::pair(Field::kSchemaEpoch, schema_epoch),
          std::pair(Field::kEcsEpoch, ecs_epoch)}) {
      const std::uint64_t found = harness::word_at(bytes, field);
      if (asked >= found || options_.lower) continue;
      return fmt::format("{} is {}, and {} would lower it, which needs --lower", field_name(field),
                         found, asked);
    }
    const auto done = guard->reconcile(CommitSeq(commit_seq), SchemaEpoch(schema_epoch), ecs_epoch);
    return done ? std::nullopt : std::optional(done.error().message());
  }

  std::optional<std::string> clear_writer() const {
    const auto file = join();
    if (!file) return file.error();
    const auto users = users_of(options_.file);
    if (!users) return users.error().message();
    const HeaderBytes bytes = file->header_bytes();
    const std::uint64_t wanted = options_.clear_writer.value_or(0);
    const auto report = stress::writer_report(bytes, now_epoch_secs(), liveness(*users));
    if (harness::word_at(bytes, Field::kSerializedWriterTxnId) != wanted) {
      return fmt::format("the writer is not {}: {}", wanted, report.text());
    }
    if (report.alive == true) return "the writer lives, its lock says so: " + report.text();
    if (!file->layout().clear_serialized_writer(wanted)) return "the writer changed meanwhile";
    return std::nullopt;
  }

  static stress::Liveness liveness(const FileUsers& users) {
    return [users](std::uint32_t pid, std::uint64_t birth) {
      const ProcessIdentity who = {.pid = pid, .birth = birth};
      return std::optional(std::ranges::find(users.opens, who) != users.opens.end());
    };
  }

  // --- Looking -------------------------------------------------------------------------------------

  void wrong(std::string title, std::string detail) {
    fmt::print("PROBLEM: {}{}{}\n", title, detail.empty() ? "" : ": ", detail);
    result_.findings.push_back({.severity = "violation",
                                .property = "healthy header",
                                .title = std::move(title),
                                .detail = std::move(detail)});
  }

  void inspect(HeaderBytes bytes) {
    // The file may be too short, or its regions wrong, though the header is good.
    const auto file = ReadOnlyShmFile::open(options_.file, {.trust_found_state = true});
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
    result_.details["cleared"] = options_.clear_writer.has_value();
    if (options_.repair) fmt::print("repaired: the snapshot is what was asked for\n");
    if (options_.clear_writer) fmt::print("cleared: writer {}\n", *options_.clear_writer);
    users();
    next_opener(bytes, file ? std::nullopt : std::optional(file.error()));
    if (!file) {
      wrong("the file cannot be opened", file.error().message());
      if (!header) return;
    }
    publication(bytes);
    writer(bytes);
    nlohmann::json names = nlohmann::json::array();
    for (const ShmError& error : errors) {
      names.push_back(to_string(error.code()));
      if (error == ShmErrorCode::kSnapshotSeqOdd) continue;  // told above
      wrong(std::string(to_string(error.code())), error.message());
    }
    result_.details["validate"] = std::move(names);
  }

  void users() {
    users_ = users_of(options_.file);
    nlohmann::json opens = nlohmann::json::array();
    if (users_) {
      std::string text;
      for (const ProcessIdentity& open : users_->opens) {
        const std::uint64_t token = open.birth & ~kKnownBirth;
        opens.push_back({{"pid", open.pid}, {"token", token}});
        text +=
            fmt::format("{} process {} (token {:#x})", text.empty() ? "" : ",", open.pid, token);
      }
      fmt::print("open for writing:{}\n", text.empty() ? " nobody" : text);
      if (users_->first_opener_at_work) fmt::print("a first opener, or a removal, is at work\n");
    } else {
      fmt::print("open for writing: cannot be asked: {}\n", users_.error().message());
    }
    result_.details["users"] = {{"known", users_.has_value()},
                                {"opens", std::move(opens)},
                                {"first_opener_at_work", users_ && users_->first_opener_at_work}};
  }

  // `problem`: why the file cannot be opened, if so.
  void next_opener(const HeaderBytes& bytes, const std::optional<ShmError>& problem) {
    const auto say = [&](const char* name, const std::string& text) {
      result_.details["next_opener"] = name;
      fmt::print("the next opener {}\n", text);
    };
    if (!users_) {
      say("unknown", "cannot be foretold");
    } else if (users_->first_opener_at_work) {
      say("waits", "waits for the first one");
    } else if (!problem) {
      const bool first = users_->opens.empty();
      say(first ? "recovers" : "joins",
          first ? "is the first: it recovers the state, or refuses if it is not told how"
                : "joins those who have the file open");
    } else if (users_->opens.empty() && is_ruin(bytes, *problem)) {
      say("makes anew", "is the first: open_or_create makes the file anew, open refuses");
    } else {
      say("refuses", "refuses: " + problem->message());
    }
  }

  void publication(HeaderBytes& bytes) {
    // A number that stays odd while no process holds the lock has no publisher any more.
    std::optional<bool> locked = publication_locked();
    const std::uint64_t seq = harness::word_at(bytes, Field::kSnapshotSeq);
    bool stays_odd = seq % 2 == 1;
    for (int look = 0; look < 5 && stays_odd; ++look) {
      locked = publication_locked();
      const auto again = read_header_bytes(options_.file);
      stays_odd = locked != true && again && harness::word_at(*again, Field::kSnapshotSeq) == seq;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    const char* const state = seq % 2 == 0 ? "stable"
                              : !stays_odd ? "in progress"
                              : locked     ? "crash-stale"
                                           : "unknown";
    fmt::print("snapshot: {}; the publication lock {}\n", state,
               !locked   ? "cannot be asked"
               : *locked ? "is held"
                         : "is free");
    result_.details["publication"] = {{"seq", seq}, {"locked", nullptr}, {"state", state}};
    if (locked) result_.details["publication"]["locked"] = *locked;
    if (stays_odd && locked) {
      wrong("a publisher died half-way and readers get nothing",
            nobody_has_it_open() ? "the next opener establishes the state"
                                 : "the next publisher reconciles; if there is none: --repair "
                                   "with the durable values");
    }
  }

  [[nodiscard]] bool nobody_has_it_open() const { return users_ && users_->opens.empty(); }

  [[nodiscard]] std::optional<bool> publication_locked() const {
    const auto users = users_of(options_.file);
    return users ? std::optional(users->publication_locked) : std::nullopt;
  }

  void writer(const HeaderBytes& bytes) {
    const auto cannot_tell = [](std::uint32_t, std::uint64_t) { return std::optional<bool>(); };
    const auto report = stress::writer_report(
        bytes, now_epoch_secs(), users_ ? liveness(*users_) : stress::Liveness(cannot_tell));
    fmt::print("writer: {}\n", report.text());
    if (report.state != "free" && report.process.pid == 0) {
      fmt::print("nothing can tell whether it lives; {}\n",
                 nobody_has_it_open()
                     ? "the next opener clears it"
                     : fmt::format("if it does not: --clear-writer {}",
                                   harness::word_at(bytes, Field::kSerializedWriterTxnId)));
    }
    result_.details["writer"] = {
        {"state", report.state},           {"id", report.id},
        {"pid", report.process.pid},       {"alive", nullptr},
        {"generation", report.generation}, {"lease_expiry", report.lease_expiry},
        {"lease_unit", report.lease_unit}, {"lease_left", report.lease_left},
        {"stale", report.stale},           {"text", report.text()}};
    if (report.alive) result_.details["writer"]["alive"] = *report.alive;
    if (report.stale) wrong("the serialized writer is stale", report.text());
  }

  const harness::Program& program_;
  const Options& options_;
  harness::Result result_;
  std::expected<FileUsers, ShmError> users_ = FileUsers{};
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-inspect",
      "Show the header of a shared-memory file and say whether it is healthy. Works while other\n"
      "processes use the file, and writes nothing without --repair or --clear-writer.\n"
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
               .help =
                   "put these three values in force; refused while a publisher holds the lock,\n"
                   "and if nobody has the file open: the next opener establishes its state",
               .needs = {"--commit-seq", "--schema-epoch", "--ecs-epoch"}});
  program.add({.name = "--lower",
               .target = &options.lower,
               .help = "with --repair: also if a value becomes smaller than the one in the file",
               .needs = {"--repair"}});
  program.add({.name = "--clear-writer",
               .target = &options.clear_writer,
               .help = "clear the serialized writer with this id or state word; refused while its\n"
                       "process has the file open, and if nobody has",
               .check = harness::whole_number(1),
               .excludes = {"--repair"}});
  return program.run(argc, argv, [&] { return Inspection(program, options).run(); });
}
