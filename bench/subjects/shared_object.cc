// A header through the C interface: this library's, and that of the shared object that --subject
// names, for example the Rust original.

#include <stdexcept>
#include <string>

#include "c_functions.h"
#include "fsqlshm.h"
#include "fsqlshm/shared_memory_layout.h"
#include "harness/subject_memory.h"
#include "publisher.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

/// Whose functions are called, through pointers of which the compiler knows nothing.
struct Callee {
  harness::SubjectFunctions functions{};
  std::size_t size = 0;
  std::size_t alignment = 0;
};

template <const SubjectFacts& kFactsOfCallee, const Callee& kCallee>
class ThroughC {
 public:
  static constexpr const SubjectFacts& kFacts = kFactsOfCallee;

  struct Memory {
    Memory() : words(kCallee.size, kCallee.alignment) {
      const HeaderBytes bytes = SharedMemoryLayout().to_bytes();
      if (kCallee.functions.open(words.header(), bytes.data(), bytes.size(), nullptr) !=
          FSQLSHM_OK) {
        throw std::runtime_error("a good header is refused");
      }
    }
    harness::SubjectMemory words;
  };

  explicit ThroughC(Memory& memory)
      : functions_(kCallee.functions), header_(memory.words.header()) {}

  [[gnu::always_inline]] void move_by(std::size_t bytes) noexcept {
    header_ = reinterpret_cast<fsqlshm_header*>(reinterpret_cast<std::byte*>(header_) + bytes);
  }
  [[nodiscard, gnu::always_inline]] Triple read() const {
    return to_triple(functions_.load_consistent_snapshot(header_));
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    triple = read();
    return true;
  }
  [[gnu::always_inline]] void publish(const Triple& next) {
    functions_.publish_snapshot(header_, {next.commit_seq, next.schema_epoch, next.ecs_epoch});
  }

  void die_within_publish() {
    functions_.begin_snapshot_publish(header_);
    die();
  }
  void recover(const Triple& triple) {
    functions_.reconcile(header_, {triple.commit_seq, triple.schema_epoch, triple.ecs_epoch});
  }

 private:
  harness::SubjectFunctions functions_;
  fsqlshm_header* header_;
};

constexpr SubjectFacts kOurFacts{.name = "hardened_c",
                                 .source = "this library, fsqlshm.h",
                                 .call = "as hardened, by function pointers",
                                 .adds = "any language that calls C; else as hardened",
                                 .lacks = "as hardened",
                                 .control = false,
                                 .peer = true};
const Callee kOurs{.functions = our_functions(),
                   .size = ::fsqlshm_header_size(),
                   .alignment = ::fsqlshm_header_alignment()};

SubjectFacts their_facts{.name = "",
                         .source = "the shared object of --subject",
                         .call =
                             "fsqlshm_header_load_consistent_snapshot and _publish_snapshot, by "
                             "function pointers",
                         .adds = "as hardened",
                         .lacks = "as hardened",
                         .peer = true};
Callee theirs;

[[maybe_unused]] const bool kAdded = add_subject<ThroughC<kOurFacts, kOurs>>();

}  // namespace

void add_shared_object(const harness::Subject& subject) {
  static const std::string kName = fact(subject.name());
  their_facts.name = kName;
  theirs = {.functions = subject.functions(),
            .size = subject.header_size(),
            .alignment = subject.alignment()};
  add_subject<ThroughC<their_facts, theirs>>();
}

}  // namespace fsqlshm::bench
