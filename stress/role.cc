#include "stress/role.h"

#include <algorithm>

namespace fsqlshm::stress {
namespace {

std::vector<Role>& roles() {
  static std::vector<Role> all;
  return all;
}

}  // namespace

std::string Role::option() const {
  std::string text = "--" + name + "s";
  std::ranges::replace(text, ' ', '-');
  return text;
}

std::vector<Role> all_roles() {
  std::vector<Role> all = roles();
  // The linker decides in which order they were added; threads are numbered in this one.
  std::ranges::sort(all, {}, &Role::name);
  return all;
}

bool add_role(Role role) {
  roles().push_back(std::move(role));
  return true;
}

const Role& WorkerConfig::role(std::string_view name) const {
  return *std::ranges::find(roles, name, &Role::name);
}

void WorkerConfig::only(std::initializer_list<std::pair<std::string_view, unsigned>> threads) {
  for (Role& role : roles) {
    const auto* const wanted =
        std::ranges::find(threads, role.name, [](const auto& t) { return t.first; });
    role.threads = wanted == threads.end() ? 0 : wanted->second;
  }
}

void WorkerConfig::only_of_the_header() {
  for (Role& role : roles) {
    if (!role.takes_subjects()) role.threads = 0;
  }
}

std::vector<const Role*> WorkerConfig::threads() const {
  std::vector<const Role*> threads;
  for (const Role& role : roles) threads.insert(threads.end(), role.threads, &role);
  return threads;
}

std::uint64_t WorkerConfig::total(const ControlBlock& control, std::string_view count) const {
  std::uint64_t sum = 0;
  std::size_t thread = 0;
  for (const Role* const role : threads()) {
    const auto which =
        static_cast<std::size_t>(std::ranges::find(role->counts, count) - role->counts.begin());
    for (const auto& worker : control.threads) {
      if (which < role->counts.size())
        sum += worker[thread].counts[which].load(std::memory_order_relaxed);
    }
    ++thread;
  }
  return sum;
}

}  // namespace fsqlshm::stress
