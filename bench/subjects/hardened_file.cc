// This library with its file around it: publishers lock, and a death is seen and repaired.

#include <memory>
#include <stdexcept>

#include "folder.h"
#include "fsqlshm/shm_file.h"
#include "publisher.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

struct FileMemory {
  Folder folder;
  [[nodiscard]] std::filesystem::path path() const { return folder.path("db.fsqlite-shm"); }
};

class HardenedFile {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "hardened_file",
      .source = "this library, a file",
      .call = "load_consistent_snapshot; lock_publication, publish_snapshot",
      .adds =
          "any processes, any number of publishers; a dead publisher is noticed by the kernel's "
          "lock; a file that was replaced is refused",
      .lacks = "after a death readers wait for the next publisher",
      .control = false,
      .peer = true};
  using Memory = FileMemory;

  explicit HardenedFile(FileMemory& memory)
      : memory_(&memory),
        file_(std::make_unique<ShmFile>(must(ShmFile::open_or_create(memory.path())))),
        layout_(file_->layout()) {}

  [[nodiscard, gnu::always_inline]] Triple read() const {
    const ShmFile::Layout layout = layout_;  // so that it is in registers
    return to_triple(layout.load_consistent_snapshot());
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    const std::optional<ShmSnapshot> snapshot = layout_.try_load_consistent_snapshot(1);
    if (!snapshot) return false;
    triple = to_triple(*snapshot);
    return true;
  }
  [[gnu::always_inline]] void publish(const Triple& triple) {
    auto guard = must(file_->lock_publication());
    must(guard.publish_snapshot(CommitSeq(triple.commit_seq), SchemaEpoch(triple.schema_epoch),
                                triple.ecs_epoch));
  }

  void die_within_publish() {
    const auto guard = must(file_->lock_publication());
    // A file's layout has no half of a publish; the header in place has.
    const auto bare = must(FileMapping::open(memory_->path(), FileMapping::Access::kReadWrite, {}));
    must(SharedMemoryLayoutView::open(bare.bytes())).begin_snapshot_publish();
    die();
  }
  void recover(const Triple& triple) {
    auto guard = must(file_->lock_publication());
    if (!guard.needs_reconcile()) throw WrongResult("the open window is not noticed");
    must(guard.reconcile(CommitSeq(triple.commit_seq), SchemaEpoch(triple.schema_epoch),
                         triple.ecs_epoch));
  }

 private:
  template <class T>
  static T must(std::expected<T, ShmError> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }

  const FileMemory* memory_;
  std::unique_ptr<ShmFile> file_;
  ShmFile::Layout layout_;
};

[[maybe_unused]] const bool kAdded = add_subject<HardenedFile>();

}  // namespace
}  // namespace fsqlshm::bench
