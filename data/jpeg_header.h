// What stands before the first scan of a JPEG, without decoding it: the kind of JPEG, and where its EXIF block is.
// Source: ITU T.81, annex B. Internal to data/.
#pragma once
#include <string>

#include "data/exif.h"

namespace md {

/// Of the segments before the first scan. A file that ends there, or has none, keeps the defaults.
struct JpegHeader {
  unsigned frame = 0;        // marker of the frame, 0xC0 to 0xCF; 0: none
  unsigned precision = 8;    // bits a sample
  int components = 0;        // colours
  int adobe_transform = -1;  // of Adobe's segment: 0 none, 1 YCbCr, 2 YCCK; -1: there is no such segment
  Exif exif;                 // of the first EXIF segment
};
JpegHeader jpeg_header(const ByteSource&);

/// "12-bit", "arithmetic-coded", "lossless" or "hierarchical"; "" for what every decoder takes.
std::string rare_jpeg(const JpegHeader&);
/// "a 12-bit JPEG, which this program cannot read; convert it: COMMAND". REQUIRES: rare_jpeg() is not "".
std::string refusal_of_rare_jpeg(const JpegHeader&);

}  // namespace md
