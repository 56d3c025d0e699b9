// Renders a world through a pinhole camera: light, exact z-depth, and which pixels a depth sensor would measure.
// Nothing here depends on the number of threads: every pixel is a function of (world, camera, x, y).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// Square pixels, principal point in the middle of the image.
struct Camera {
  Pose pose;
  int height = 0, width = 0;
  double focal_px = 0;

  /// Through image position (x, y), the centre of the first pixel being (0.5, 0.5). The direction's forward component
  /// is 1, so the parameter of a hit is its z-depth in metres.
  Ray ray(double x, double y) const;
};

/// [H,W] z-depth at the pixel centres, metres; 0 where a ray meets nothing.
std::vector<float> render_depth(const Scene&, const Camera&);
/// [H,W] linear RGB that falls on a pixel while the shutter is open, with the camera at each of these places for an
/// equal part of that time: 2x2 rays a pixel from one place, a ray from each of several, which take turns at the four
/// places of a pixel. REQUIRES: cameras of one size.
std::vector<Vec3> render_light(const Scene&, std::span<const Camera> while_open);
/// [H,W,3] sRGB bytes of linear RGB; what is brighter than 1 clips.
std::vector<std::uint8_t> srgb_bytes(std::span<const Vec3> light);
/// Both of a camera that stands still.
std::vector<std::uint8_t> render_colour(const Scene&, const Camera&);

/// What a Kinect would not measure becomes 0: beyond 0.4-10 m, at grazing angles, in the shadow of its projector
/// (7.5 cm to the right of the camera), and `speckle` of the pixels at random.
void keep_structured_light(const Scene&, const Camera&, std::uint64_t noise_key, double speckle,
                           std::span<float> depth_m);

/// What a LiDAR would not measure becomes 0: it scans 40 lines between 2 degrees above the horizon and the lower edge
/// of the image, to 80 m. About a tenth of the pixels stays.
void keep_lidar_lines(const Camera&, std::uint64_t noise_key, std::span<float> depth_m);

}  // namespace md::synth
