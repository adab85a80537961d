// What the processes of a run share of a subject, and the same with the interface of a mapped file, as far as
// roles of the header need it.

#ifndef FSQLSHM_STRESS_SUBJECT_FILE_H_
#define FSQLSHM_STRESS_SUBJECT_FILE_H_

#include <pthread.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

#include "fsqlshm/error.h"
#include "harness/child.h"
#include "harness/subject.h"
#include "stress/subject_layout.h"
#include "stress/writer_log.h"

namespace fsqlshm::stress {

/// The publication lock of a run on a subject, which has none of its own: fsqlshm.h leaves it to its caller that
/// one publisher runs at a time. Lies in memory that processes share; the kernel frees it when its holder dies.
class PublicationMutex {
 public:
  PublicationMutex();
  PublicationMutex(const PublicationMutex&) = delete;
  PublicationMutex& operator=(const PublicationMutex&) = delete;
  ~PublicationMutex();

  [[nodiscard]] bool try_lock_for(std::chrono::nanoseconds limit);
  void unlock();

 private:
  pthread_mutex_t mutex_{};
};

/// One header of a subject, for a run: shared with every child forked from now on.
class SubjectGround {
 public:
  /// Throws std::system_error. REQUIRES: `kills` outlives it, and is shared likewise.
  SubjectGround(const harness::Subject& subject, const KillLog& kills)
      : subject_(subject), memory_(subject), kills_(kills) {}

  [[nodiscard]] const harness::Subject& subject() const { return subject_; }
  [[nodiscard]] const harness::SubjectMemory& memory() const { return memory_; }
  [[nodiscard]] PublicationMutex& publication() const { return *publication_; }

  /// Who a worker's process is, in the words of the header.
  [[nodiscard]] static ProcessIdentity identity(std::uint64_t worker, std::uint64_t incarnation);
  /// A process that is no worker, for as long as there are any.
  [[nodiscard]] static ProcessIdentity newcomer() { return identity(kMaxWorkers, 1); }
  /// Whether a worker's process lives. What it denies is certain: the parent has seen it end.
  [[nodiscard]] bool alive(std::uint64_t birth) const;
  /// REQUIRES: the calling thread is watched.
  [[nodiscard]] SubjectLayout layout(ProcessIdentity self) const;

 private:
  const harness::Subject& subject_;
  harness::SubjectMemory memory_;
  const KillLog& kills_;
  harness::Shared<PublicationMutex> publication_;
};

class SubjectFile {
 public:
  using Layout = SubjectLayout;

  /// The publication lock, held.
  class Guard {
   public:
    Guard(const SubjectGround& ground, SubjectLayout layout) : ground_(&ground), layout_(layout) {}
    Guard(Guard&& other) noexcept
        : ground_(std::exchange(other.ground_, nullptr)), layout_(other.layout_) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (ground_ != nullptr) ground_->publication().unlock();
    }

    [[nodiscard]] bool needs_reconcile() const {
      return layout_.word(Field::kSnapshotSeq) % 2 != 0;
    }
    std::expected<void, ShmError> publish_snapshot(CommitSeq commit, SchemaEpoch schema,
                                                   std::uint64_t ecs) {
      layout_.publish_snapshot(commit, schema, ecs);
      return {};
    }
    std::expected<void, ShmError> reconcile(CommitSeq commit, SchemaEpoch schema,
                                            std::uint64_t ecs) {
      layout_.reconcile(commit, schema, ecs);
      return {};
    }

   private:
    const SubjectGround* ground_;
    SubjectLayout layout_;
  };

  /// REQUIRES: `ground` outlives it.
  SubjectFile(const SubjectGround& ground, ProcessIdentity self) : ground_(ground), self_(self) {}

  [[nodiscard]] ProcessIdentity identity() const { return self_; }
  /// REQUIRES: the calling thread is watched.
  [[nodiscard]] SubjectLayout layout() const { return ground_.layout(self_); }
  /// None if it is held by another all the time.
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> try_lock_publication_for(
      std::chrono::nanoseconds limit) const;

 private:
  const SubjectGround& ground_;
  ProcessIdentity self_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_SUBJECT_FILE_H_
