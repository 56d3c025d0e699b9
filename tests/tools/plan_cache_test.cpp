// Which folder keeps plans, by the environment.
#include "tools/cli/plan_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "engine/plan_choice.h"
#include "tools/cli/device_option.h"

namespace md {
namespace {

/// The environment without what other tests say, and put back in the end.
class PlanCache : public testing::Test {
 protected:
  PlanCache() {
    for (const char* name : {"MD_PLAN_CACHE", "XDG_CACHE_HOME", "HOME"}) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  ~PlanCache() override {
    for (const char* name : {"MD_PLAN_CACHE", "XDG_CACHE_HOME", "HOME"}) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
    choose_plans({});
  }

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(PlanCache, IsInTheUsersCacheUnlessSaid) {
  EXPECT_EQ(plan_cache_folder(), "") << "there is no home";
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(plan_cache_folder(), "/home/someone/.cache/metricdepth");
  setenv("XDG_CACHE_HOME", "not/absolute", 1);
  EXPECT_EQ(plan_cache_folder(), "/home/someone/.cache/metricdepth");
  setenv("XDG_CACHE_HOME", "/var/caches", 1);
  EXPECT_EQ(plan_cache_folder(), "/var/caches/metricdepth");
  setenv("MD_PLAN_CACHE", "plans", 1);
  EXPECT_EQ(plan_cache_folder(), "plans");
  setenv("MD_PLAN_CACHE", "", 1);
  EXPECT_EQ(plan_cache_folder(), "");
}

TEST_F(PlanCache, AndTimingArePartOfTheDevicesOptions) {
  setenv("MD_PLAN_CACHE", "plans", 1);
  choose_device({.name = "cpu"});
  EXPECT_TRUE(plan_choice().timed);
  EXPECT_EQ(plan_choice().folder, "plans");
  choose_device({.name = "cpu", .deterministic_plans = true});
  EXPECT_FALSE(plan_choice().timed);
  EXPECT_EQ(plan_choice().folder, "plans");
}

}  // namespace
}  // namespace md
