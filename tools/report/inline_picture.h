// Pictures inside the report: shrunk to what a page shows, and squeezed into a share of its bytes.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "data/image_io.h"

namespace md {

/// What a picture may take.
struct PictureBudget {
  int width = 320;             // pixels; wider ones shrink
  std::size_t bytes = 40'000;  // of its text in the page
};

/// A data: address of the picture, for <img src>. Quality falls, then size, until it fits.
std::string data_address(const RgbImage&, const PictureBudget&);

/// title, alt, address, width, height: what the page needs of a picture.
nlohmann::json titled_picture(const std::string& title, const std::string& alt, const RgbImage&, const PictureBudget&);

}  // namespace md
