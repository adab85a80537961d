#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "harness/mutants/all.h"
#include "harness/subject.h"

namespace fsqlshm::harness {
namespace {

TEST(Subjects, ThereIsOneForEveryMutantOfTheHeader) {
  std::size_t count = 0;
  mutants::for_each([&]<class Mutant> {
    const std::string name(Mutant::kInfo.name);
    if (name == "loads-with-release" || name == "fence-before-lock") return;
    const auto subject = Subject::load(FSQLSHM_SUBJECTS "/" + name + ".so");
    ASSERT_TRUE(subject) << subject.error();
    EXPECT_THAT(subject->implementation(), testing::EndsWith(", mutant " + name));
    ++count;
  });
  EXPECT_EQ(count, 37U);
}

}  // namespace
}  // namespace fsqlshm::harness
