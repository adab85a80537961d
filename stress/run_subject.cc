#include "stress/run_subject.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "harness/properties/execution.h"
#include "stress/findings.h"
#include "stress/operations.h"

namespace fsqlshm::stress {
namespace {

using harness::Doing;
using harness::Finding;

template <class Protocol>
class FileRun final : public RunSubject {
 public:
  FileRun(const ShmFile& file, std::filesystem::path path) : file_(file), path_(std::move(path)) {}

  [[nodiscard]] HeaderBytes header_bytes() const override { return file_.header_bytes(); }
  [[nodiscard]] Liveness liveness() const override { return file_.liveness(); }
  [[nodiscard]] bool leases_outlive_processes() const override { return kPublished; }
  void classify(Finding& finding) const override {
    finding.severity = "violation";
    if (!kPublished) finding.defect.clear();
  }

  std::optional<Finding> publish_first(const ShmSnapshot& first) override {
    auto guard = file_.lock_publication();
    if (!guard || !guard->publish_snapshot(first.commit_seq, first.schema_epoch, first.ecs_epoch)) {
      throw std::runtime_error("cannot publish the first snapshot");
    }
    return std::nullopt;
  }
  // They make a bounded number of attempts.
  std::optional<Finding> let_readers_go() override { return std::nullopt; }

  std::expected<Look, Finding> look(std::uint64_t now) override {
    auto file = open_file<BasicShmFile<Protocol>>(path_);
    const auto snapshot = file.layout().try_load_consistent_snapshot(10);
    return Look{.snapshot = snapshot, .free = check(file, now) == Exclusion::kOk};
  }
  std::expected<std::string, Finding> newcomer_trouble(std::uint64_t now) override {
    return stress::newcomer_trouble<Protocol>(path_, now);
  }

  // Threads say what they call only if that is a subject's.
  [[nodiscard]] Finding did_not_return(const harness::GuardedFailure& failure) const override {
    return {
        .severity = "violation", .property = std::string(harness::kP6), .title = failure.what()};
  }
  [[nodiscard]] std::optional<Finding> wrote_outside() const override { return std::nullopt; }

 private:
  static constexpr bool kPublished = std::is_same_v<Protocol, ReferenceProtocol>;
  const ShmFile& file_;
  std::filesystem::path path_;
};

// Whether a newcomer can repair, read, publish and acquire: what it cannot do, or nothing. Of a file the same is
// in operations.cc, together with what its guards add.
std::string trouble(SubjectLayout& layout, std::uint64_t now) {
  const ShmSnapshot next = triple_of(layout.load_commit_seq().get() + 1);
  layout.reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (layout.try_load_consistent_snapshot(1) != next) return "reconcile does not repair";
  if (layout.check_serialized_writer_exclusion(now) != Exclusion::kOk) {
    return std::string(kBusyForEver);
  }
  if (!layout.acquire_serialized_writer(id_of(9), now + 1)) return "no process can acquire";
  if (layout.check_serialized_writer_exclusion(now) != Exclusion::kBusy) {
    return "a new owner does not exclude";
  }
  if (!layout.release_serialized_writer(id_of(9))) return "a new owner cannot release";
  return "";
}

// Every call is made in a child.
class ObjectRun final : public RunSubject {
 public:
  explicit ObjectRun(const SubjectGround& ground) : ground_(ground) {}

  [[nodiscard]] HeaderBytes header_bytes() const override {
    return wire_bytes(ground_.subject(), ground_.memory());
  }
  [[nodiscard]] Liveness liveness() const override {
    return [this](std::uint32_t, std::uint64_t birth) { return ground_.alive(birth); };
  }
  [[nodiscard]] bool leases_outlive_processes() const override {
    return !ground_.subject().promises(FSQLSHM_CERTAINTY);
  }
  void classify(Finding& finding) const override { stress::classify(ground_.subject(), finding); }

  std::optional<Finding> publish_first(const ShmSnapshot& first) override {
    const auto done = guarded([&](SubjectLayout& layout) -> nlohmann::json {
      if (!layout.create()) return false;
      layout.publish_snapshot(first.commit_seq, first.schema_epoch, first.ecs_epoch);
      return true;
    });
    if (!done) return done.error();
    if (!done->get<bool>()) throw std::runtime_error("the subject creates no header");
    return std::nullopt;
  }

  std::optional<Finding> let_readers_go() override {
    if (ground_.memory().load(ground_.subject(), Field::kSnapshotSeq) % 2 == 0 ||
        !ground_.publication().try_lock_for(std::chrono::nanoseconds(0))) {
      return std::nullopt;
    }
    const auto done = guarded([](SubjectLayout& layout) -> nlohmann::json {
      const ShmSnapshot again = triple_of(layout.load_commit_seq().get());
      layout.reconcile(again.commit_seq, again.schema_epoch, again.ecs_epoch);
      return {};
    });
    ground_.publication().unlock();
    return done ? std::nullopt : std::optional(done.error());
  }

  std::expected<Look, Finding> look(std::uint64_t now) override {
    const auto seen = guarded([&](SubjectLayout& layout) -> nlohmann::json {
      nlohmann::json triple;
      if (const auto found = layout.try_load_consistent_snapshot(10)) {
        triple = {found->commit_seq.get(), found->schema_epoch.get(), found->ecs_epoch};
      }
      const bool free = layout.check_serialized_writer_exclusion(now) == Exclusion::kOk;
      return {{"triple", triple}, {"free", free}};
    });
    if (!seen) return std::unexpected(seen.error());
    Look look{.snapshot = {}, .free = (*seen)["free"]};
    if (const auto& triple = (*seen)["triple"]; !triple.is_null()) {
      look.snapshot = {CommitSeq(triple[0]), SchemaEpoch(triple[1]), triple[2]};
    }
    return look;
  }

  std::expected<std::string, Finding> newcomer_trouble(std::uint64_t now) override {
    const auto text =
        guarded([&](SubjectLayout& layout) -> nlohmann::json { return trouble(layout, now); });
    if (!text) return std::unexpected(text.error());
    return text->get<std::string>();
  }

  [[nodiscard]] Finding did_not_return(const harness::GuardedFailure& failure) const override {
    return harness::call_did_not_return(failure, ground_.memory(), "");
  }
  [[nodiscard]] std::optional<Finding> wrote_outside() const override {
    return harness::wrote_outside(ground_.memory(), "");
  }

 private:
  // What `body` says of the header.
  template <class Body>
  [[nodiscard]] std::expected<nlohmann::json, Finding> guarded(const Body& body) const {
    const auto answer = harness::guarded([&](Doing&) {
      SubjectLayout layout = ground_.layout(SubjectGround::newcomer());
      return body(layout).dump();
    });
    if (!answer) return std::unexpected(did_not_return(answer.error()));
    return nlohmann::json::parse(*answer);
  }

  const SubjectGround& ground_;
};

}  // namespace

std::unique_ptr<RunSubject> run_on_file(const ShmFile& file, const std::filesystem::path& path,
                                        bool reference) {
  if (reference) return std::make_unique<FileRun<ReferenceProtocol>>(file, path);
  return std::make_unique<FileRun<HardenedProtocol>>(file, path);
}

std::unique_ptr<RunSubject> run_on_subject(const SubjectGround& ground) {
  return std::make_unique<ObjectRun>(ground);
}

}  // namespace fsqlshm::stress
