// Video through a pipe: YUV4MPEG2, as `ffmpeg -f yuv4mpegpipe` and the mjpegtools write and read it (yuv4mpeg(5)): a
// line of text with the size and how colours are stored, and for each frame a line and its planes. 8 bits: 4:2:0 in its
// three kinds, 4:1:1, 4:2:2, 4:4:4 and grey.
//
// The stream does not say which colours its numbers are. As players do, frames larger than 1024x576 are taken for
// BT.709, others for BT.601; values are of the limited range (16 to 235) unless the header says XCOLORRANGE=FULL.
// Neighbouring pixels get the one chroma sample that they share.
#pragma once
#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "data/image_io.h"

namespace md {

/// What the first line of a stream says.
struct Yuv4MpegHeader {
  int height = 0, width = 0;
  std::string rate = "25:1", aspect = "1:1";  // frames per second and shape of a pixel, as written
  std::string colours = "420jpeg";            // as written: "444", "mono"
  bool full_range = false, interlaced = false;
  int chroma_down_x = 2, chroma_down_y = 2;  // pixels that share a chroma sample; 0: grey
};

/// Reads frame after frame; one is in memory at a time. Errors begin with the stream's name.
class Yuv4MpegReader {
 public:
  /// Reads the first line. Throws ErrorKind::bad_data, naming what it cannot read and the way out: other colours than
  /// those above, frames of more than 33 megapixels, no YUV4MPEG2 at all.
  Yuv4MpegReader(std::istream& in, std::string name);
  const Yuv4MpegHeader& header() const { return header_; }
  /// False at the end. Throws ErrorKind::bad_data, with the number of the frame, where the stream ends inside it or
  /// something else stands in its place. Memory is taken as bytes arrive, not as the header promises.
  bool next(RgbImage& frame);

 private:
  std::string read_line(const char* what);
  void read_planes();
  RgbImage to_rgb() const;

  std::istream& in_;
  std::string name_;
  Yuv4MpegHeader header_;
  long long frame_ = 0;  // the one under way, from 1
  std::vector<unsigned char> planes_;
};

/// The first line of a stream of 4:4:4 frames with the size, rate and pixel shape of another.
std::string yuv4mpeg_444_header(const Yuv4MpegHeader& like);
/// One such frame, with its own line.
std::string yuv4mpeg_444_frame(const RgbImage&);

}  // namespace md
