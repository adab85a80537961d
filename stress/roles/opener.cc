#include "stress/roles/shared_checks.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kOpenFailed = {"file", "the file cannot be opened any more", {"error", "found"}};
constexpr Check kGeometryChanged = {"file", "the geometry of the file changed"};
constexpr Check kCreatedTwice = {"file", "a file that exists was created again"};
constexpr Check kRemovedInUse = {"file", "a file that is in use was removed", {"error"}};

// Opens the file again, now and then tries to create or remove it, and validates.
struct Opener {
  static constexpr bool kNeedsFile = true;

  template <class File>
  void operator()(RoleThread<File>& me) {
    if (me.random.one_in(8)) {
      const auto created = File::create(me.config.file);
      if (created || created.error() != ShmErrorCode::kFileExists) me.violation(kCreatedTwice);
    }
    if (me.random.one_in(8)) {
      const auto removed = File::remove(me.config.file);
      if (removed || removed.error() != ShmErrorCode::kFileInUse) {
        me.violation(kRemovedInUse,
                     {removed ? 0 : static_cast<std::uint64_t>(removed.error().code())});
      }
    }
    const auto file =
        me.random.one_in(2) ? File::open(me.config.file) : File::open_or_create(me.config.file);
    if (!file) {
      me.violation(kOpenFailed,
                   {static_cast<std::uint64_t>(file.error().code()), file.error().found()});
      return;
    }
    if (file->geometry() != me.file.geometry()) me.violation(kGeometryChanged);
    expect_valid(me, file->header_bytes());
    me.count(0);
    me.record("opened");
    sleep_ns(200'000);
  }
};

[[maybe_unused]] const bool kAdded = add_role(role<Opener>({
    .name = "opener",
    .does = "open the file again and validate it",
    .counts = {"opens"},
    .wants = {{.count = "opens"}},
}));

}  // namespace
}  // namespace fsqlshm::stress
