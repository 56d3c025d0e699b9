// For now what training reads.
#include "data/picture.h"

namespace md {

Picture read_picture(const std::string& path, const PictureOptions&) {
  Picture picture;
  picture.image = read_rgb(path);
  picture.height = picture.image.height;
  picture.width = picture.image.width;
  return picture;
}

}  // namespace md
