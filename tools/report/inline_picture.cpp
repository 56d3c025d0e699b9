// Tries qualities from the best; a picture that does not fit in the last becomes smaller.
#include "tools/report/inline_picture.h"

#include <algorithm>

#include "data/rescale.h"
#include "engine/check.h"
#include "tools/report/base64.h"

namespace md {
namespace {

constexpr int kSmallestWidth = 48;

RgbImage at_most(const RgbImage& image, int width) {
  if (image.width <= width) return image;
  return rescaled(image, std::max(1, int(i64(image.height) * width / image.width)), width);
}

}  // namespace

std::string data_address(const RgbImage& image, const PictureBudget& budget) {
  for (int width = std::min(image.width, budget.width);; width = width * 3 / 4) {
    const RgbImage small = at_most(image, width);
    for (const int quality : {88, 80, 70, 58}) {
      const EncodedPicture picture = encode_photo(small, quality);
      const std::string text = cat("data:", picture.media_type, ";base64,", base64(picture.bytes));
      if (text.size() <= budget.bytes || width <= kSmallestWidth) return text;
    }
  }
}

nlohmann::json titled_picture(const std::string& title, const std::string& alt, const RgbImage& image,
                              const PictureBudget& budget) {
  return {{"title", title},
          {"alt", alt},
          {"address", data_address(image, budget)},
          {"width", image.width},
          {"height", image.height}};
}

}  // namespace md
