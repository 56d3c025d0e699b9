// How frames are taken: a Kinect's noise and holes against their formulas, blur, exposure, and the way of the camera.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tools/synth/synth_exposure.h"
#include "tools/synth/synth_kinect.h"
#include "tools/synth/synth_path.h"

namespace md::synth {
namespace {

/// A grey wall at a depth, in the middle of 640 columns.
Scene wall_at(double depth_m) {
  Scene scene;
  scene.planes.push_back({{0, 0, depth_m}, {0, 0, -1}, {}});
  return scene;
}
Camera camera_of(int height, int width) { return {look({0, 1.5, 0}, 0, 0), height, width, 520.0 * width / 640}; }

std::vector<float> kinect_of(const Scene& scene, const Camera& camera, std::uint64_t key = 1) {
  std::vector<float> depth_m = render_depth(scene, camera);
  measure_as_kinect(scene, camera, key, depth_m);
  return depth_m;
}

double share_of_holes(const std::vector<float>& depth_m) {
  return double(std::ranges::count(depth_m, 0.F)) / double(depth_m.size());
}

TEST(SynthKinect, NoiseGrowsWithTheSquareOfDepthAndComesInSteps) {
  for (const double wall_m : {0.8, 2.0, 4.0, 6.0}) {
    Scene scene = wall_at(wall_m);
    scene.planes[0].texture.base = {0.9, 0.9, 0.9};
    double sum = 0, squares = 0, n = 0;
    for (const float d : kinect_of(scene, camera_of(24, 640))) {
      if (d == 0) continue;
      const double steps = 1 / (2.85e-3 * d);  // Khoshelham and Elberink: disparity is whole
      EXPECT_NEAR(steps, std::round(steps), 1e-4 * steps);
      sum += d, squares += double(d) * d, ++n;
    }
    ASSERT_GT(n, 0.9 * 24 * 640) << wall_m;
    const double mean = sum / n, deviation = std::sqrt(squares / n - mean * mean);
    // Nguyen's Eq. 4 straight ahead, and a step's own spread; some 15 thousand pixels tell both to a few percent.
    const double noise = 0.0012 + 0.0019 * (wall_m - 0.4) * (wall_m - 0.4);
    const double step = 2.85e-3 * wall_m * wall_m / std::sqrt(12.0);
    EXPECT_NEAR(deviation, std::hypot(noise, step), 0.1 * std::hypot(noise, step)) << wall_m;
    EXPECT_NEAR(mean, wall_m, 0.2 * std::hypot(noise, step)) << wall_m;
  }
}

TEST(SynthKinect, SlantedSurfacesAreNoisier) {
  EXPECT_NEAR(kinect_axial_noise_m(1, 0), 0.0012 + 0.0019 * 0.36, 1e-12);
  // 0.0001 * (pi/3)^2 / (pi/2 - pi/3)^2 = 0.0004 at 60 degrees and one metre.
  EXPECT_NEAR(kinect_axial_noise_m(1, std::acos(0.5)) - kinect_axial_noise_m(1, 0), 0.0004, 1e-12);
  EXPECT_NEAR(nearest_kinect_step_m(5), 5, 0.5 * 0.0713) << "seven centimetres from step to step at five metres";
}

TEST(SynthKinect, HasHolesOnGlassOnDarkThingsAndOutOfRange) {
  const Camera camera = camera_of(24, 320);
  EXPECT_LT(share_of_holes(kinect_of(wall_at(3), camera)), 0.02);
  EXPECT_EQ(share_of_holes(kinect_of(wall_at(0.3), camera)), 1);
  EXPECT_EQ(share_of_holes(kinect_of(wall_at(11), camera)), 1);
  Scene glass = wall_at(3), dark = wall_at(3), dark_and_near = wall_at(1);
  glass.planes[0].texture.reflects = 0.05;
  dark.planes[0].texture.base = dark_and_near.planes[0].texture.base = {0.01, 0.01, 0.01};
  EXPECT_EQ(share_of_holes(kinect_of(glass, camera)), 1);
  EXPECT_EQ(share_of_holes(kinect_of(dark, camera)), 1);
  EXPECT_LT(share_of_holes(kinect_of(dark_and_near, camera)), 0.02);
}

TEST(SynthKinect, LosesPartsOfEdgesAndTheProjectorsShadow) {
  Scene scene = wall_at(4);
  scene.boxes.push_back({{0, 1.5, 2}, {0.3, 5, 0.05}, {}});
  const Camera camera = camera_of(120, 640);
  const std::vector<float> depth_m = kinect_of(scene, camera);
  const auto share = [&](int begin, int end) {
    int holes = 0;
    for (int y = 0; y < camera.height; ++y)
      for (int x = begin; x < end; ++x) holes += depth_m[std::size_t(y * camera.width + x)] == 0;
    return double(holes) / camera.height / (end - begin);
  };
  // The box ends at 320 -+ 0.3 / 1.95 * 520 = 80 pixels; left of it lie 0.075 * (1/1.95 - 1/4) * 520 = 10 of shadow.
  EXPECT_GT(share(231, 240), 0.99);
  EXPECT_LT(share(160, 220), 0.02);
  for (const int inside : {240, 396}) {
    EXPECT_GT(share(inside, inside + 4), 0.3);
    EXPECT_LT(share(inside, inside + 4), 0.95);
  }
  EXPECT_LT(share(260, 380), 0.02);
}

TEST(SynthKinect, IsAFunctionOfItsKey) {
  const Scene scene = wall_at(3);
  const Camera camera = camera_of(24, 32);
  EXPECT_EQ(kinect_of(scene, camera, 1), kinect_of(scene, camera, 1));
  EXPECT_NE(kinect_of(scene, camera, 1), kinect_of(scene, camera, 2));
}

TEST(SynthCamera, AnEdgeIsBlurredAsFarAsTheCameraMoves) {
  Scene scene = wall_at(4);
  Texture white;
  white.base = {0, 0, 0};
  scene.planes[0].texture = white;
  white.base = {1, 1, 1};
  scene.boxes.push_back({{-5, 1.5, 2.05}, {5, 5, 0.05}, white});  // its edge at x = 0, two metres ahead
  scene.ambient = 1;
  std::vector<Camera> cameras;
  for (int i = 0; i < 12; ++i) {
    cameras.push_back(camera_of(3, 640));
    cameras.back().pose.position.x = 0.08 * ((i + 0.5) / 12 - 0.5);  // 0.08 * 520 / 2 = 21 pixels
  }
  const std::vector<Vec3> light = render_light(scene, cameras);
  int mixed = 0;
  double sum = 0;
  for (int x = 0; x < 640; ++x) {
    const double value = light[std::size_t(640 + x)].x;
    mixed += value > 0.01 && value < 0.99;
    sum += value;
  }
  EXPECT_NEAR(mixed, 20.8, 2.5);
  EXPECT_NEAR(sum, 320, 1.5) << "the edge stays where it is on the mean";
  const std::vector<Camera> still(12, camera_of(3, 640));
  const std::vector<Vec3> sharp = render_light(scene, still), once = render_light(scene, std::span(still).first(1));
  for (std::size_t p = 0; p < once.size(); ++p) EXPECT_NEAR(sharp[p].x, once[p].x, 1e-12);
}

TEST(SynthCamera, AutomaticExposureAimsAtMiddleGreyAndClips) {
  std::vector<Vec3> light(100, {0.6, 0.6, 0.6});
  EXPECT_NEAR(automatic_gain(light), 0.18 / 0.6, 1e-3);
  for (Vec3& pixel : light) pixel = {0.01, 0.01, 0.01};
  EXPECT_NEAR(automatic_gain(light), 18, 0.5);
  light.assign(100, {});
  EXPECT_EQ(automatic_gain(light), 1);
  light.assign(1, {0.5, 0.25, 3});
  expose(light, 2);
  EXPECT_EQ(srgb_bytes(light), (std::vector<std::uint8_t>{255, 188, 255})) << "sRGB of 1, 0.5, and what clips";
}

TEST(SynthCamera, AMovedCameraTurnsAndGoes) {
  const Pose pose = look({1, 1.5, 2}, 0.3, -0.2);
  const Pose later = moved(pose, {{2, 0, -1}, 0.5, 0.25}, 0.2), expected = look({1.4, 1.5, 1.8}, 0.4, -0.15);
  for (const auto& [a, b] : {std::pair(later.position, expected.position),
                             {later.forward, expected.forward},
                             {later.right, expected.right},
                             {later.down, expected.down}})
    EXPECT_LT(length(a - b), 1e-12);
}

TEST(SynthCamera, AWalkIsSmoothEndsWhereItBeganAndMeetsNothing) {
  for (const Detail detail : {Detail::basic, Detail::high}) {
    for (std::uint64_t number = 1; number <= 20; ++number) {
      const World room = make_room(3, number, detail);
      const Walk walk(room);
      Pose before = walk.at(0);
      double back_m = kNothing;
      for (int i = 1; i < 60 * 30; ++i) {
        const double seconds = i / 30.0;
        const Pose now = walk.at(seconds);
        ASSERT_LT(length(now.position - before.position), 0.05) << "room " << number << " at " << seconds;
        ASSERT_GT(dot(now.forward, before.forward), std::cos(0.05)) << "room " << number << " at " << seconds;
        ASSERT_GT(room.scene.clearance_m(now.position), 0.05) << "room " << number << " at " << seconds;
        if (seconds > 10) back_m = std::min(back_m, length(now.position - walk.at(0).position));
        before = now;
      }
      EXPECT_LT(back_m, 0.05) << "room " << number;
    }
  }
}

}  // namespace
}  // namespace md::synth
