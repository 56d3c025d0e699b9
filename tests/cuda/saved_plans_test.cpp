// Chosen plans on disk and in checkpoints: the next process takes them, and refuses what is damaged or somebody else's.
#include <dlfcn.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "engine/cuda/plan_files.h"
#include "tests/cuda/chosen_conv.h"

namespace md::test {
namespace {

using cuda::ConvProblem;
using cuda::EngineChoice;
using cuda::PlanFiles;
using cuda::PlanOwner;
using cuda::SavedPlan;

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  EXPECT_NE(text.find(what), std::string::npos) << what;
  return text.replace(text.find(what), what.size(), by);
}

using SavedPlans = PlanChoices;

TEST_F(SavedPlans, AreFoundByTheNextProcess) {
  choose(true, folder_);
  const ChosenConv conv, other(14);
  const auto first = plans_by(2);
  conv.run(*first);
  EXPECT_EQ(files().size(), 1U);
  int runs = 0;
  const auto second = plans_by(0, &runs);
  conv.run(*second);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(conv.choice(*second), conv.choice(*first));
  conv.expect_right();
  other.run(*second);
  EXPECT_GT(runs, 0) << "it is another convolution";
  choose(false, folder_);
  const auto untimed = plans_by(0);
  conv.run(*untimed);
  EXPECT_EQ(files().size(), 3U) << "a plan that was not timed is another one";
}

TEST_F(SavedPlans, AreChosenAnewWhereTheirFileIsDamaged) {
  choose(true, folder_);
  const ChosenConv conv;
  const auto first = plans_by(2);
  conv.run(*first);
  const std::filesystem::path file = files().at(0);
  const std::string whole = contents(file);
  for (const std::string& spoilt :
       {whole.substr(0, whole.size() / 2), std::string(), std::string("{}"), std::string("\0\0\0", 3),
        replaced(whole, "\"engine\":", "\"engine\":1"), replaced(whole, "\"format\":1", "\"format\":\"1\"")}) {
    said_.clear();
    write(file, spoilt);
    int runs = 0;
    const auto plans = plans_by(2, &runs);
    conv.run(*plans);
    EXPECT_GT(runs, 0) << spoilt;
    EXPECT_EQ(said("a plan that is damaged"), 1) << spoilt;
    EXPECT_EQ(contents(file), whole);
  }
}

TEST_F(SavedPlans, OfSomebodyElseAreRefused) {
  const PlanOwner mine{91900, "GPU A"};
  const SavedPlan plan{{true, false, 7, {{2, 3}, {18, 0}}}, "code"};
  const auto why = [&](const std::string& text) {
    SavedPlan read;
    return cuda::read_text(text, mine, "p", read);
  };
  SavedPlan read;
  EXPECT_EQ(cuda::read_text(to_text(mine, "p", plan), mine, "p", read), "");
  EXPECT_EQ(read.choice, plan.choice);
  EXPECT_EQ(read.compiled, plan.compiled);
  EXPECT_EQ(why(to_text({91901, "GPU A"}, "p", plan)), "of cuDNN 9.19.1 on GPU A");
  EXPECT_EQ(why(to_text({91900, "GPU B"}, "p", plan)), "of cuDNN 9.19.0 on GPU B");
  EXPECT_EQ(why(to_text(mine, "q", plan)), "of another convolution");
  EXPECT_EQ(why(""), "damaged");
}

// What was used longest ago goes: "p0" was, but it is asked for again. Other files of the folder are left alone.
TEST_F(SavedPlans, AreBoundedByNumberAndSize) {
  const SavedPlan plan{{false, false, 1}, std::string(1000, 'c')};
  const auto kept = [&](cuda::PlanFolderLimits limits) {
    std::filesystem::remove_all(folder_);
    PlanFiles files(folder_, {91900, "GPU A"}, {}, limits);
    for (int i = 0; i < 9; ++i) {
      if (i == 8) files.find("p0");
      files.keep(cat("p", i), plan);
      std::ofstream(folder_ + "/notes.txt") << "mine";
      for (const auto& path : this->files()) {  // as if an hour lay between two of them
        const auto at = std::filesystem::last_write_time(path);
        std::filesystem::last_write_time(path, at - std::chrono::hours(1));
      }
    }
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/notes.txt"));
    std::string names;
    for (int i = 0; i < 9; ++i) names += files.find(cat("p", i)) ? std::to_string(i) : "";
    return names;
  };
  EXPECT_EQ(kept({}), "012345678");
  EXPECT_EQ(kept({.files = 8}), "0345678") << "an eighth more goes than has to";
  EXPECT_EQ(kept({.bytes = 5000}), "678") << "of a bit over 1000 each";
}

// Each owner has files of its own, so two GPUs of a machine, or two versions of cuDNN, share a folder.
TEST_F(SavedPlans, OfTwoOwnersLieSideBySide) {
  const SavedPlan one{{false, false, 1}, ""}, two{{false, false, 2}, ""};
  PlanFiles a(folder_, {91900, "GPU A"}, {}), b(folder_, {91900, "GPU B"}, {});
  a.keep("p", one);
  b.keep("p", two);
  EXPECT_EQ(a.find("p")->choice, one.choice);
  EXPECT_EQ(b.find("p")->choice, two.choice);
  EXPECT_FALSE(a.find("q"));
}

TEST_F(SavedPlans, AreNotKeptWhereNobodyCanWrite) {
  write(folder_, "a file, not a folder");
  choose(false, folder_);
  const auto plans = make_conv_plans();
  for (const i64 height : {5, 6}) {
    const ChosenConv conv(height);
    conv.run(*plans);
    conv.expect_right();
  }
  EXPECT_EQ(said("are not kept"), 1);
}

TEST_F(SavedPlans, SurviveProcessesThatWriteAtOnce) {
  constexpr int kProcesses = 4, kProblems = 40;
  const PlanOwner owner{91900, "GPU"};
  const auto plan = [](int problem) { return SavedPlan{{false, false, problem}, std::string(5000, 'x')}; };
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    bool whole = true;
    PlanFiles files(folder_, owner, [&](const auto&) { whole = false; });
    for (int i = 0; i < kProblems; ++i) {
      const int problem = (i + child) % kProblems;
      const auto there = files.find(cat(problem));
      if (there) whole = whole && there->choice == plan(problem).choice;
      files.keep(cat(problem), plan(problem));
    }
    _exit(whole ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const PlanFiles files(folder_, owner, [](const auto& line) { ADD_FAILURE() << line; });
  for (int problem = 0; problem < kProblems; ++problem) EXPECT_EQ(files.find(cat(problem))->choice.engine, problem);
  EXPECT_EQ(this->files().size(), std::size_t(kProblems));
}

TEST_F(SavedPlans, OfACheckpointAreTakenWhateverElseThereIs) {
  choose(true, folder_);
  const ChosenConv conv, other(14);
  const auto first = plans_by(2);
  conv.run(*first);
  const std::string text = first->chosen();
  std::filesystem::remove_all(folder_);
  const auto another = plans_by(0);  // a process that leaves another plan on disk
  conv.run(*another);
  int runs = 0;
  const auto resumed = plans_by(0, &runs);
  EXPECT_EQ(resumed->take(text), "");
  EXPECT_EQ(resumed->chosen(), text) << "a run that ends before it comes to them still has them";
  conv.run(*resumed);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(resumed->chosen(), text);
  conv.expect_right();
  other.run(*resumed);
  EXPECT_GT(runs, 0);
  EXPECT_EQ(cuda::read_list(resumed->chosen()).second.size(), 2U);
}

TEST_F(SavedPlans, OfACheckpointTakeThePlaceOfThoseInUse) {
  choose(true);
  const ChosenConv conv;
  const auto first = plans_by(2), second = plans_by(0);
  conv.run(*first);
  conv.run(*second);
  EXPECT_NE(second->chosen(), first->chosen());
  EXPECT_EQ(second->take(first->chosen()), "");
  conv.run(*second);
  EXPECT_EQ(second->chosen(), first->chosen());
}

TEST_F(SavedPlans, OfACheckpointFromElsewhereAreNamedAndNotTaken) {
  choose(true);
  const ChosenConv conv;
  const auto first = plans_by(2);
  conv.run(*first);
  const std::string text = first->chosen();
  for (const std::string& foreign :
       {replaced(text, "108 multiprocessors", "132 multiprocessors"), replaced(text, "\"cudnn\":", "\"cudnn\":9")}) {
    int runs = 0;
    const auto plans = plans_by(0, &runs);
    const std::string said = plans->take(foreign);
    EXPECT_NE(said.find("not of cuDNN"), std::string::npos) << said;
    EXPECT_NE(said.find("108 multiprocessors: others are chosen"), std::string::npos) << said;
    conv.run(*plans);
    EXPECT_GT(runs, 0);
  }
  EXPECT_THROW(first->take("{"), Error);
  EXPECT_THROW(first->take("{}"), Error);
}

// As where a list is of another program: the number is none of an engine's, or of one that is not deterministic.
TEST_F(SavedPlans, ThatCudnnDoesNotMakeAreNamedAndChosenAnew) {
  choose(false);
  const ChosenConv conv;
  const auto first = make_conv_plans();
  conv.run(*first);
  const std::string engine = cat("\"engine\":", conv.choice(*first).engine);
  for (const char* const none : {"\"engine\":4711", "\"engine\":-5"}) {
    said_.clear();
    const auto plans = make_conv_plans();
    EXPECT_EQ(plans->take(replaced(first->chosen(), engine, none)), "");
    conv.run(*plans);
    EXPECT_EQ(said("chosen anew"), 1);
    EXPECT_EQ(conv.choice(*plans), conv.choice(*first));
  }
}

TEST(PlanNames, DifferWhereProblemsDo) {
  const ConvProblem base = cuda::describe_conv(cuda::ConvPass::forward, {.pad = 1, .act = {Act::leaky_relu, 0.2F}},
                                               {1, 4, 5, 8}, {8, 3, 3, 8}, {1, 4, 5, 8}, DType::f32);
  std::set<std::string> keys{base.key()};
  const auto changed = [&](const std::function<void(ConvProblem&)>& change) {
    ConvProblem p = base;
    change(p);
    EXPECT_TRUE(keys.insert(p.key()).second) << p.key();
  };
  changed([](ConvProblem& p) { p.pass = cuda::ConvPass::data_gradient; });
  changed([](ConvProblem& p) { p.dtype = DType::bf16; });
  changed([](ConvProblem& p) { p.tf32 = true; });
  changed([](ConvProblem& p) { p.bias = true; });
  changed([](ConvProblem& p) { p.alignment = 4; });
  changed([](ConvProblem& p) { p.spec.stride = {1, 2}; });
  changed([](ConvProblem& p) { p.spec.pad = {2, 1}; });
  changed([](ConvProblem& p) { p.spec.dilation = 2; });
  changed([](ConvProblem& p) { p.spec.groups = 2; });
  changed([](ConvProblem& p) { p.spec.act.slope = 0.25F; });
  changed([](ConvProblem& p) { p.spec.act.kind = Act::relu; });
  for (int axis = 0; axis < 4; ++axis) {
    changed([&](ConvProblem& p) { ++p.x[std::size_t(axis)]; });
    changed([&](ConvProblem& p) { ++p.w[std::size_t(axis)]; });
    changed([&](ConvProblem& p) { ++p.y[std::size_t(axis)]; });
  }
}

/// Plans with code that cuDNN compiles at run time, which wants a driver or its double (driver_double.cpp).
class CompiledPlans : public PlanChoices {
  void SetUp() override {
    if (!dlopen("libcuda.so.1", RTLD_LAZY)) GTEST_SKIP() << "no driver, nor its double (ctest knows where that is)";
    PlanChoices::SetUp();
  }
};

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST_F(CompiledPlans, AreSavedWithTheirCode) {
  choose(false, folder_);
  const Conv2dSpec spec{.pad = 1, .act = {Act::leaky_relu, 0.3F}};
  const ChosenConv conv;
  const auto first = make_conv_plans(), second = make_conv_plans();
  const double cold_s = seconds([&] { conv.run(*first, spec); });
  ASSERT_TRUE(conv.choice(*first).activates);
  const double warm_s = seconds([&] { conv.run(*second, spec); });
  EXPECT_EQ(conv.choice(*second), conv.choice(*first));
  EXPECT_LT(warm_s, cold_s / 5) << "it was compiled again";
  conv.expect_right(spec);
}

// cuDNN takes its text back under the very driver alone: under another one the choice holds, and is compiled again.
TEST_F(CompiledPlans, AreCompiledAgainUnderAnotherDriver) {
  const cuda::Descriptor device = cuda::device_properties(0, nullptr);
  ConvProblem p = ChosenConv().problem();
  p.spec.act = {Act::leaky_relu, 0.3F};
  const cuda::ConvPlan plan = cuda::plan_conv(p, device);
  ASSERT_TRUE(plan.compiled);
  SavedPlan saved = save_plan(plan);
  const double warm_s = seconds([&] { EXPECT_EQ(load_plan(p, saved, device)->choice, plan.choice); });
  saved.compiled = replaced(saved.compiled, "\"driverVer\":13000", "\"driverVer\":13010");
  const double again_s = seconds([&] { EXPECT_EQ(load_plan(p, saved, device)->choice, plan.choice); });
  EXPECT_LT(warm_s, again_s / 5);
  saved.compiled = "cuDNN never said this";
  EXPECT_EQ(load_plan(p, saved, device)->choice, plan.choice);
}

}  // namespace
}  // namespace md::test
