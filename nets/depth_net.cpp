// The registry, and what every network does alike: padding to its grid, cropping back, checking its input.
#include "nets/depth_net.h"

#include <algorithm>
#include <cmath>

#include "layers/ops.h"
#include "nets/bts.h"
#include "nets/lt.h"
#include "nets/newcrfs.h"

namespace md {
namespace {

constexpr i64 kSmallest = 32, kLargest = 4096, kMultiple = 32;

i64 aligned(i64 size) { return (size + kMultiple - 1) / kMultiple * kMultiple; }

/// How many rows (or columns) of a map of `map` rows lie over the first `size` of `padded` image rows.
i64 covering(i64 map, i64 size, i64 padded) { return (map * size + padded - 1) / padded; }

template <class Net>
std::unique_ptr<DepthNet> make(const NetOptions& options) {
  return std::make_unique<Net>(options);
}

template <int kResNetLayers>
std::unique_ptr<DepthNet> make_bts(const NetOptions& options) {
  return std::make_unique<Bts>(options, kResNetLayers);
}

template <NewCrfs::Size kSize>
std::unique_ptr<DepthNet> make_newcrfs(const NetOptions& options) {
  return std::make_unique<NewCrfs>(options, kSize);
}

/// Every network by the name that configurations use.
const std::map<std::string, std::unique_ptr<DepthNet> (*)(const NetOptions&)> kNets = {
    {"bts", make_bts<50>},
    {"bts_resnet101", make_bts<101>},
    {"lt", make<Lt>},
    {"newcrfs_tiny07", make_newcrfs<NewCrfs::Size::tiny07>},
    {"newcrfs_base07", make_newcrfs<NewCrfs::Size::base07>},
    {"newcrfs_large07", make_newcrfs<NewCrfs::Size::large07>},
};

}  // namespace

DepthMaps DepthNet::forward(const Tensor& image, const Tensor& focal_px) const {
  const Shape& s = image.shape();
  if (s.rank() != 4 || s[3] != 3) fail(Exit::bad_data, "network: image is ", s, ", expected [N,H,W,3]");
  const i64 h = s[1], w = s[2], padded_h = aligned(h), padded_w = aligned(w);
  if (std::min(h, w) < kSmallest || std::max(h, w) > kLargest)
    fail(Exit::bad_data, "network: image of ", h, "x", w, " pixels, each side must be ", kSmallest, " to ", kLargest);
  if (h == padded_h && w == padded_w) return forward_aligned(image, focal_px);
  const DepthMaps maps = forward_aligned(pad_reflect(image, padded_h, padded_w), focal_px);
  const Shape& f = maps.features.shape();
  return {crop(maps.depth_m, h, w), crop(maps.features, covering(f[1], h, padded_h), covering(f[2], w, padded_w))};
}

Rng init_rng(const NetOptions& options) {
  return options.random_weights ? Rng(options.seed, Purpose::init) : Rng::none();
}

std::unique_ptr<DepthNet> make_net(const std::string& name, const NetOptions& options) {
  if (!std::isfinite(options.max_depth_m) || options.max_depth_m <= 0)
    fail(Exit::usage, "network: the largest depth is ", options.max_depth_m, " m, must be positive and finite");
  const auto found = kNets.find(name);
  if (found != kNets.end()) return found->second(options);
  std::string known;
  for (const std::string& each : net_names()) known += " " + each;
  fail(Exit::usage, "network '", name, "' is unknown; there are:", known);
}

std::vector<std::string> net_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : kNets) names.push_back(name);
  return names;
}

}  // namespace md
