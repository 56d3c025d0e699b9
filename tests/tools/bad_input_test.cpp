// Every kind of bad input, given to the programs as a user would: one line that names the culprit, the exit code that
// engine/check.h promises, no result on stdout, every file and folder as before, and no waiting.
// Labels: tool
#include <sys/stat.h>

#include <map>
#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "nets/registry.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kLimitS = 60;  // what is refused is refused at once; this is generous to sanitisers and busy machines

/// Two good frames: a JPEG and a PNG. A test spoils something and runs the programs.
class BadInput : public DataFolder {
 public:
  using DataFolder::bytes_of, DataFolder::path, DataFolder::write;

  void cut(const std::string& name, double kept) const {
    const std::string bytes = bytes_of(path(name));
    write(name, std::string_view(bytes).substr(0, std::size_t(double(bytes.size()) * kept)));
  }
  void flip_bit(const std::string& name) const {
    std::string bytes = bytes_of(path(name));
    bytes[bytes.size() / 2] = char(bytes[bytes.size() / 2] ^ 4);
    write(name, bytes);
  }
  void remove(const std::string& name) const { fs::remove_all(path(name)); }
  void write_list(const std::string& second_line) const {
    write("list.txt", "room/0.jpg room/0_depth.png 518.8\n" + second_line + "\n");
  }

 protected:
  BadInput() {
    fs::create_directories(path("data/room"));
    write_jpeg(path("data/room/0.jpg"), test_image(64, 96, 0));
    write_png(path("data/room/1.png"), test_image(64, 96, 1));
    for (const int i : {0, 1}) write_png(path(cat("data/room/", i, "_depth.png")), test_depth(64, 96, i));
    write_list("room/1.png room/1_depth.png 518.8");
    write("secret.png", bytes_of(path("data/room/1.png")));  // beside the data root
  }

  /// An untrained LT as mdtrain saves it, without the optimiser.
  void write_checkpoint(const json& changed_config = {}, i64 step = 1) const {
    json config{{"net", "lt"}, {"max-depth", 10.0}, {"dataset", "nyu"}};
    config.update(changed_config.is_null() ? json::object() : changed_config);
    const auto net = make_net("lt", {});
    save_checkpoint(path("net.safetensors"), *net, Adam({{net->parameters(), 0.F}}, {}),
                    {.config = config, .step = step});
  }

  ToolRun run(const std::string& tool, const Words& args) const { return run_tool(tool, args, {.limit_s = kLimitS}); }
  ToolRun mdtrain(const std::string& out, const Words& more = {}) const {
    Words args{"--data", path("data"), "--list", path("list.txt"), "--out", out,        "--batch", "2", "--height",
               "64",     "--width",    "96",     "--max-steps",    "1",     "--device", "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    return run("mdtrain", args);
  }
  ToolRun mdeval(const Words& more = {}) const {
    Words args{path("net.safetensors"), "--data", path("data"), "--list", path("list.txt"), "--protocol", "plain"};
    args.insert(args.end(), more.begin(), more.end());
    return run("mdeval", args);
  }
  ToolRun mdeval_with_outputs() const {
    return mdeval({"--json", path("out.json"), "--csv", path("out.csv"), "--maps", path("maps/of/net")});
  }

  /// Every file and folder with its contents.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> found;
    std::error_code broken_link;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      found[entry.path()] = entry.is_regular_file(broken_link) ? bytes_of(entry.path()) : "";
    }
    return found;
  }
};

// --- The data --------------------------------------------------------------------------------------------------------

enum Programs : unsigned { train = 1, eval = 2, check = 4, all = 7 };

struct BadData {
  const char* name;
  void (*spoil)(const BadInput&);
  int code;
  const char* names;  // what the line must hold
  unsigned programs = all;
};
void PrintTo(const BadData& bad, std::ostream* out) { *out << bad.name; }

class BadDataTest : public BadInput, public testing::WithParamInterface<BadData> {
 protected:
  /// A list that can be read is checked to its end: the verdict is on the list, and the counts are a result.
  void expect_check_names(const BadData& bad) const {
    const Words args{"check-data", path("list.txt"), "--data", path("data"), "--bad", path("bad.tsv")};
    const ToolRun got = run("mdtrain", args);
    if (got.out.empty()) {
      EXPECT_TRUE(refused(got, bad.code, {bad.names}));
    } else {
      EXPECT_TRUE(one_line(got, 65, {"list.txt:", bad.names}));
      EXPECT_EQ(got.out.find("2 frames: 1 good (0 of them without ground truth), 1 bad\n"), 0U) << got.out;
      EXPECT_NE(bytes_of(path("bad.tsv")).find("list.txt:"), std::string::npos);
      remove("bad.tsv");
    }
  }
};

const BadData kLists[] = {
    {"Missing", [](auto& in) { in.remove("list.txt"); }, 66, "list.txt: no such list"},
    {"Folder", [](auto& in) { in.remove("list.txt"), fs::create_directory(in.path("list.txt")); }, 65,
     "list.txt: not a file"},
    {"LinkToItself", [](auto& in) { in.remove("list.txt"), fs::create_symlink("list.txt", in.path("list.txt")); }, 66,
     "list.txt: Too many levels of symbolic links"},
    {"Empty", [](auto& in) { in.write("list.txt", ""); }, 65, "list.txt: the list is empty"},
    {"BlankLines", [](auto& in) { in.write("list.txt", "\n \r\n\n"); }, 65, "list.txt: the list is empty"},
    {"FourColumns", [](auto& in) { in.write_list("room/1.png room/1_depth.png 518.8 1"); }, 65, "list.txt:2: 4"},
    {"FocalForPath", [](auto& in) { in.write_list("room/1.png 518.8"); }, 65, "list.txt:2: '518.8'"},
    {"NegativeFocal", [](auto& in) { in.write_list("room/1.png room/1_depth.png -5"); }, 65, "list.txt:2: focal"},
    {"Binary", [](auto& in) { in.write_list("room/1.png\x01\x02"); }, 65, "list.txt:2: control character"},
    {"AnImage", [](auto& in) { in.write("list.txt", in.bytes_of(in.path("data/room/1.png"))); }, 65,
     "list.txt:1: a name that is not UTF-8"},
    {"PathLeavesTheRoot", [](auto& in) { in.write_list("room/../../secret.png None 1"); }, 65,
     "list.txt:2: path 'room/../../secret.png' leaves the data root"},
    {"FiveColumns", [](auto& in) { in.write_list("room/1.png room/1_depth.png 5 room/2.png room/2_depth.png"); }, 65,
     "list.txt:2: 5 columns; wanted are IMAGE DEPTH FOCAL"},
    {"NotUtf8",
     [](auto& in) {
       in.write_list(
           "k\xFC"
           "che/1.png");
     },
     65, "list.txt:2: a name that is not UTF-8"},
    {"LongLine", [](auto& in) { in.write_list(std::string(10'000'000, 'a')); }, 65,
     "list.txt:2: 10000000 bytes in one line"},
    {"NoRoot", [](auto& in) { in.remove("data"); }, 66, "/data: no such folder"},
};

const BadData kFrames[] = {
    {"NoImage", [](auto& in) { in.remove("data/room/1.png"); }, 66, "data/room/1.png: no such file"},
    {"NoDepth", [](auto& in) { in.remove("data/room/1_depth.png"); }, 66, "data/room/1_depth.png: no such file"},
    {"LinkToNothing",
     [](auto& in) { in.remove("data/room/1.png"), fs::create_symlink("nothing.png", in.path("data/room/1.png")); }, 66,
     "data/room/1.png: no such file"},
    {"EmptyImage", [](auto& in) { in.write("data/room/1.png", ""); }, 65, "data/room/1.png: neither"},
    {"ImageIsText", [](auto& in) { in.write("data/room/1.png", "hello"); }, 65, "data/room/1.png: neither"},
    {"ImageIsAFolder", [](auto& in) { in.remove("data/room/1.png"), fs::create_directory(in.path("data/room/1.png")); },
     65, "data/room/1.png: not a file"},
    {"ImageIsAPipe", [](auto& in) { in.remove("data/room/1.png"), mkfifo(in.path("data/room/1.png").c_str(), 0600); },
     65, "data/room/1.png: not a file"},
    {"TruncatedJpeg", [](auto& in) { in.cut("data/room/0.jpg", 0.7); }, 65, "data/room/0.jpg: damaged JPEG"},
    {"TruncatedPng", [](auto& in) { in.cut("data/room/1.png", 0.7); }, 65, "data/room/1.png: the file ends early"},
    {"TruncatedDepth", [](auto& in) { in.cut("data/room/1_depth.png", 0.7); }, 65,
     "data/room/1_depth.png: the file ends early"},
    {"OneFlippedBit", [](auto& in) { in.flip_bit("data/room/1_depth.png"); }, 65, "data/room/1_depth.png: "},
    {"Depth8Bit", [](auto& in) { in.write("data/room/1_depth.png", foreign_png(PNG_FORMAT_GRAY, 64, 96)); }, 65,
     "data/room/1_depth.png: this PNG is 8-bit grey"},
    {"DepthRgb", [](auto& in) { write_png(in.path("data/room/1_depth.png"), test_image(64, 96)); }, 65,
     "data/room/1_depth.png: this PNG is 8-bit RGB"},
    {"SizesDiffer", [](auto& in) { write_png(in.path("data/room/1_depth.png"), test_depth(64, 72)); }, 65,
     "data/room/1_depth.png: depth of 72x64 for an image of 96x64 (room/1.png)"},
    {"NothingMeasured",
     [](auto& in) {
       write_png(in.path("data/room/1_depth.png"), DepthImage{64, 96, std::vector<std::uint16_t>(64 * 96)});
     },
     65, "data/room/1_depth.png: not one measured pixel", train | check},
    {"NothingToScore", [](auto& in) { in.write("list.txt", "room/0.jpg None 1\nroom/1.png None 1\n"); }, 65,
     "list.txt: none of its 2 frames has a pixel to score", eval},
    {"NothingToTrainOn", [](auto& in) { in.write("list.txt", "room/0.jpg None 1\nroom/1.png None 1\n"); }, 65,
     "list.txt: not one frame has ground truth", train},
};

TEST_P(BadDataTest, IsNamedInOneLineAndLeavesNothing) {
  const BadData& bad = GetParam();
  bad.spoil(*this);
  if (bad.programs & eval) write_checkpoint();
  const auto before = everything();
  if (bad.programs & train) {
    EXPECT_TRUE(refused(mdtrain(path("runs/new")), bad.code, {bad.names}));
  }
  if (bad.programs & eval) {
    EXPECT_TRUE(refused(mdeval_with_outputs(), bad.code, {bad.names}));
  }
  if (bad.programs & check) expect_check_names(bad);
  EXPECT_TRUE(before == everything()) << "something was left, or changed";
}
const auto name_of = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(List, BadDataTest, testing::ValuesIn(kLists), name_of);
INSTANTIATE_TEST_SUITE_P(Frame, BadDataTest, testing::ValuesIn(kFrames), name_of);

// --- The command line ------------------------------------------------------------------------------------------------

TEST_F(BadInput, UnknownFlag) {
  const Words lines[] = {{"mdtrain"},
                         {"mdtrain", "train"},
                         {"mdtrain", "check-data", "list.txt"},
                         {"mdeval", "net.safetensors"},
                         {"mdsynth", "nyu", "--out", path("set"), "--frames", "1"},
                         {"mdbench"}};
  for (const Words& words : lines) {
    Words args(words.begin() + 1, words.end());
    args.emplace_back("--frobnicate");
    EXPECT_TRUE(refused(run(words[0], args), 2, {"unknown option --frobnicate"})) << words[0];
  }
}

TEST_F(BadInput, Config) {
  const struct {
    const char* text;
    int code;
    Words parts;
  } cases[] = {{"batchsize = 2\n", 2, {"bad.toml", "'batchsize'"}},
               {"batch 2\n", 2, {"bad.toml", "batch"}},
               {"[train]\nbatch = 2\n", 2, {"bad.toml", "train.batch"}},
               {"batch = 2\nbatch = 4\n", 2, {"bad.toml", "'batch'", "twice"}},
               {"epochs = many\n", 2, {"epochs", "many"}},
               {"epochs = 0\n", 2, {"epochs"}},
               {"net = 'ltt'\n", 2, {"net", "ltt"}},
               {"brightness = 1.0\n", 2, {"brightness"}},
               {"\x89PNG\r\n\x1a\n\x01", 2, {"bad.toml"}}};
  for (const auto& bad : cases) {
    write("bad.toml", bad.text);
    const auto before = everything();
    EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", path("bad.toml")}), bad.code, bad.parts)) << bad.text;
    EXPECT_TRUE(before == everything()) << bad.text;
  }
  write("bad.toml", std::string(60'000, 'a') + " = 1\n");  // deeper than a recursive matcher's stack
  EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", path("bad.toml")}), 2, {"bad.toml", "unknown key 'aaa"}));
  write("bad.toml", std::string(1 << 20, '#'));
  EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", path("bad.toml")}), 2, {"bad.toml: more than 65536 bytes"}));
  EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", "/dev/zero"}), 2, {"/dev/zero: more than 65536 bytes"}));
  EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", path("absent.toml")}), 66, {"absent.toml"}));
  EXPECT_TRUE(refused(mdtrain(path("run"), {"--config", path("data")}), 66, {path("data")}));
}

// --- The output ------------------------------------------------------------------------------------------------------

/// No place for a file or folder, for root neither: below a file, and in a file system of the kernel's.
TEST_F(BadInput, UnwritableOutput) {
  write_checkpoint();
  write("file", "precious");
  const auto before = everything();
  for (const std::string& place : {path("file/x"), std::string("/proc/x")}) {
    EXPECT_TRUE(refused(mdtrain(place), 73, {"--out", place}));
    EXPECT_TRUE(refused(mdeval({"--json", place}), 73, {"--json", place}));
    EXPECT_TRUE(refused(mdeval({"--json", path("out.json"), "--csv", place}), 73, {"--csv", place}));
    EXPECT_TRUE(refused(mdeval({"--json", path("out.json"), "--maps", place}), 73, {"--maps", place}));
    // So many frames take days: it must not render before it looks.
    EXPECT_TRUE(refused(run("mdsynth", {"nyu", "--out", place, "--frames", "1000000"}), 73, {"--out", place}));
  }
  EXPECT_TRUE(refused(mdeval({"--json", path("data")}), 73, {"--json", path("data")}));
  EXPECT_TRUE(before == everything());
}

/// Renaming a finished file onto a device would replace the device.
TEST_F(BadInput, OutputThatIsNoFile) {
  write_checkpoint();
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(refused(mdeval({"--json", path("pipe")}), 73, {"--json", path("pipe")}));
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
}

// --- The checkpoint --------------------------------------------------------------------------------------------------

class BadCheckpoint : public BadInput {};

TEST_F(BadCheckpoint, IsNamedAndLeavesNothing) {
  const std::string net = "net.safetensors";
  struct Case {
    const char* name;
    std::function<void()> spoil;
    int code;
    const char* part;
  };
  const auto another_architecture = [&] {
    const auto file = SafeTensors::read(path(net));
    State state = file.state();
    state["predict.bias"] = Tensor::zeros({2});
    write_safetensors(path(net), state, file.metadata());
  };
  const std::vector<Case> cases = {
      {"missing", [&] { remove(net); }, 66, "no such file"},
      {"a folder", [&] { remove(net), fs::create_directory(path(net)); }, 65, "not a"},
      {"empty", [&] { write(net, ""); }, 65, "too short"},
      {"truncated in the header", [&] { cut(net, 3e-4); }, 65, "header"},
      {"truncated in the data", [&] { cut(net, 0.9); }, 65, "cover"},
      {"text", [&] { write(net, "hello, I am no checkpoint"); }, 65, "header"},
      {"an image", [&] { write(net, bytes_of(path("data/room/1.png"))); }, 65, "header"},
      {"weights alone",
       [&] {
         write_safetensors(path(net), {{"w", Tensor::zeros({2})}});
       },
       65, "not a checkpoint"},
      {"another network",
       [&] {
         write_checkpoint({{"net", "monodepth"}});
       },
       65, "monodepth"},
      {"another architecture", another_architecture, 65, "predict.bias"},
      {"no data set",
       [&] {
         write_checkpoint({{"dataset", "sun"}});
       },
       65, "sun"},
      {"a number for a name",
       [&] {
         write_checkpoint({{"dataset", 7}});
       },
       65, "__metadata__"},
      {"a step below zero", [&] { write_checkpoint({}, -1); }, 65, "step is -1"},
      {"a depth below zero",
       [&] {
         write_checkpoint({{"max-depth", -1}});
       },
       65, "depth"},
  };
  for (const auto& bad : cases) {
    remove(net);
    write_checkpoint();
    bad.spoil();
    const auto before = everything();
    EXPECT_TRUE(refused(mdeval_with_outputs(), bad.code, {"net.safetensors: ", bad.part})) << bad.name;
    EXPECT_TRUE(before == everything()) << bad.name;
  }
}

}  // namespace
}  // namespace md::test
