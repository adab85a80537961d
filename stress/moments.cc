#include "stress/moments.h"

namespace fsqlshm::stress {

void Moments::arm(MomentLog& log, std::uint64_t at, Event event) {
  log_ = &log;
  at_ = at;
  event_ = std::move(event);
}

int Moments::pass(std::string_view name) {
  if (!counting_) return 0;
  if (log_->count < MomentLog::kMax) log_->names[log_->count] = name;
  return ++log_->count == at_ ? event_() : 0;
}

StruckProcess::StruckProcess(const Work& work, const std::filesystem::path& path, std::uint64_t at,
                             const Event& event, bool stays)
    : child_([&, this] {
        Moments::arm(*log_, at, event);
        work(path);
        log_->ended = true;
        if (stays) ::raise(SIGSTOP);
        return 0;
      }) {}

}  // namespace fsqlshm::stress
