// The options of `mdeval predict`, each understood alone.
#include <CLI/CLI.hpp>

#include "engine/text.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"
#include "tools/cli/short_help.h"
#include "tools/eval/predict.h"

namespace md {
namespace {

constexpr const char* kDefaultEdge = "0.1";

void add_inputs(CLI::App& app, PredictCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote")->required();
  CLI::Option* const images = app.add_option("IMAGES", c.inputs,
                                             "pictures, folders of them, or - for names on stdin: one a line, or each "
                                             "ended by NUL (find -print0)");
  app.add_flag("--recursive", c.recursive, "look into the folders of folders too; --out gets the same tree");
  app.add_flag("--skip-existing", c.skip_existing, "leave out pictures of which all files are in --out already");
  app.add_option("--stdin-frames", c.stdin_frames,
                 "predict the frames of a video on stdin instead of pictures: yuv4mpeg, which ffmpeg -i VIDEO -f "
                 "yuv4mpegpipe - writes")
      ->check(CLI::IsMember({"yuv4mpeg"}))
      ->excludes(images);
  const std::map<std::string, Alpha> alphas = {{"over-white", Alpha::over_white}, {"ignore", Alpha::ignore}};
  app.add_option("--alpha", c.alpha, "transparent pixels: over-white, or ignore: their own colours")
      ->transform(CLI::CheckedTransformer(alphas).description("over-white or ignore"))
      ->default_str("over-white");
}

void add_prediction(CLI::App& app, PredictCommand& c) {
  app.add_option(
      "--input-size", c.input_size,
      "at what size pictures go into the network: HxW, such as 480x640: the largest that fits into it, of the "
      "same shape; native: every pixel; default: the shorter side is that of the training frames. Depth is "
      "brought back to the picture's size");
  app.add_flag("--flip-average", c.flip_average, "average with the prediction of the mirrored image, as NeWCRFs does");
  const auto is_focal = [](const std::string& text) {
    double value = 0;
    const bool number = CLI::detail::lexical_cast(text, value) && std::isfinite(float(value)) && float(value) > 0;
    return number || text == "exif" ? std::string() : text + " is neither a number above 0 nor exif";
  };
  app.add_option("--focal", c.focal,
                 "focal length of the camera for --ply and for networks that scale depth by it: pixels of the whole "
                 "picture, or exif: each file's 35 mm focal length / 36 * its longer side")
      ->check(CLI::Validator(is_focal, ""));
}

CLI::Option* add_points(CLI::App& app, PredictCommand& c) {
  PointCloudOptions& cloud = c.files.cloud;
  CLI::Option* const ply = app.add_flag("--ply", c.files.ply,
                                        "write NAME.ply too, a coloured point cloud in metres, x right, y down, z "
                                        "forward (needs --focal)");
  app.add_option("--center", cloud.center_px,
                 "principal point x,y of the camera, pixels; default: the middle of the image")
      ->expected(2)
      ->delimiter(',');
  app.add_option("--max-distance", cloud.max_distance_m, "leave out points of NAME.ply whose z is larger, metres")
      ->check(positive())
      ->default_str("none");
  const auto edge = [&cloud](const CLI::results_t& given) {
    const std::string text = given.empty() || given[0].empty() ? kDefaultEdge : given[0];
    return CLI::detail::lexical_cast(text, cloud.edge) && std::isfinite(cloud.edge) && cloud.edge > 0;
  };
  app.add_option(
         "--edge", edge,
         cat("leave out points of NAME.ply at depth edges: where the depths of a pixel and its eight neighbours in "
             "the network's map differ by more than this part of its own; alone: ",
             kDefaultEdge))
      ->expected(0, 1)
      ->type_name("FLOAT");
  app.add_option("--ply-axes", cloud.y_up, "of NAME.ply: y-down (x right, z forward) or y-up (x right, z backward)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"y-down", false}, {"y-up", true}})
                      .description("y-down or y-up"))
      ->default_str("y-down");
  return ply;
}

void add_files(CLI::App& app, PredictCommand& c) {
  app.add_option(
         "--out", c.out,
         "folder for what is predicted; - with --stdin-frames: a stream of NAME_color.png's pictures on stdout, as "
         "yuv4mpeg 4:4:4")
      ->required();
  app.add_option(
         "--depth-scale", c.depth_scale,
         "units of NAME.png, the 16-bit depth, per metre; it holds up to 65535 of them, depth along z (forward), 0 "
         "for none; larger depths are cut and counted; default: those of the data set trained on (nyu 1000, kitti "
         "256)")
      ->check(positive())
      ->default_str("");
  CLI::Option* const npy =
      app.add_flag("--npy", c.files.npy, "write NAME.npy too, depth in float32 metres for NumPy, which cuts nothing");
  CLI::Option* const ply = add_points(app, c);
  app.add_flag("--kitti-benchmark", c.files.kitti_benchmark,
               "what KITTI's server takes: 16-bit PNGs of metres * 256 alone")
      ->excludes(npy)
      ->excludes(ply)
      ->excludes("--depth-scale");
  app.add_option("--colormap", c.colormap, "colours of NAME_color.png: " + either(colormap_names()))
      ->check(CLI::IsMember(colormap_names()));
  app.add_option("--range", c.range_m,
                 "depths of the first and the last colour, metres; default: 0 to the network's largest depth")
      ->expected(2)
      ->delimiter(',')
      ->check(not_negative());
  app.add_flag("--range-per-image", c.files.range_per_image, "spread the colours over each image's own depths")
      ->excludes("--range");
}

void set_help(CLI::App& app) {
  const std::vector<HelpGroup> groups{
      {"pictures",
       {{"IMAGES", "files, folders, or - for names on stdin"},
        {"--recursive", "look into the folders of folders too"},
        {"--skip-existing", "leave out pictures whose files are there already"},
        {"--stdin-frames FORMAT", "frames of a video on stdin instead: yuv4mpeg, which ffmpeg writes"},
        {"--input-size SIZE", "at what size they go in: HxW or native; default: as in training"},
        {"--flip-average", "average with the prediction of the mirrored picture"}}},
      {"files",
       {{"--out DIR", "NAME.png (16-bit depth) and NAME_color.png go there"},
        {"--depth-scale N", "units of NAME.png per metre; default: the data set's"},
        {"--npy", "NAME.npy too: float32 metres"},
        {"--ply", "NAME.ply too: a point cloud; needs --focal"},
        {"--focal PIXELS", "focal length of the camera, or exif"},
        {"--kitti-benchmark", "what KITTI's server takes, and nothing else"}}},
      {"colours",
       {{"--colormap NAME", "turbo, magma or viridis"},
        {"--range NEAR,FAR", "depths of the first and the last colour, metres"},
        {"--range-per-image", "spread the colours over each picture's own depths"}}},
      {"machine",
       {{"--device NAME", "auto, cpu, cuda or cuda:N"}, {"--precision NAME", "f32, or bf16 on a CPU that has it"}}}};
  set_short_help(app, {"mdeval predict CHECKPOINT IMAGES... --out DIR [OPTIONS]"}, groups);
}

}  // namespace

void add_predict_options(CLI::App& app, PredictCommand& c) {
  show_defaults(app);
  add_inputs(app, c);
  add_files(app, c);
  add_prediction(app, c);
  OptionTable device;
  add_device_options(device, c.device);
  add_precision_option(device, c.device);
  device.define(app);
  set_help(app);
}

}  // namespace md
