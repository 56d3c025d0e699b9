// Rescale, normalise, predict, look at the numbers.
#include "tools/eval/picture_predictor.h"

#include <algorithm>
#include <cmath>

#include "data/augment.h"
#include "data/rescale.h"

namespace md {
namespace {

/// What the pool keeps from one picture to the next although it was not needed for the last one: more than LT takes for
/// one of 480x640, so that small changes of size do not go to the system and back.
constexpr std::size_t kMostCached = std::size_t{256} << 20;

void require_finite(const Tensor& depth_m) {
  const float* const begin = depth_m.data();
  const bool finite = std::all_of(begin, begin + depth_m.numel(), [](float d) { return std::isfinite(d); });
  if (!finite) fail(ErrorKind::not_finite, "the prediction is not finite");
}

}  // namespace

PicturePredictor::PicturePredictor(DepthNet& net, const InputSize& size, const PredictorOptions& options)
    : size_(size), backend_(backend(net.parameters().front().tensor.device())), net_(net, options) {}

PictureDepth PicturePredictor::operator()(const RgbImage& image, ImageSize picture, double focal_px) const {
  const ImageSize size = working_size(size_, picture);
  const Tensor input = Tensor::empty({1, size.height, size.width, 3});
  const bool as_it_is = image.height == size.height && image.width == size.width;
  normalise(as_it_is ? image : rescaled(image, size.height, size.width), input.data());
  std::vector<float> focal;  // of the picture as it goes in: a smaller one has a shorter focal length
  if (focal_px > 0) focal.push_back(float(focal_px * size.width / picture.width));
  const Tensor depth_m = net_(input, focal).front();
  backend_.keep_cached_at_most(kMostCached);
  require_finite(depth_m);
  return {depth_m, picture};
}

}  // namespace md
