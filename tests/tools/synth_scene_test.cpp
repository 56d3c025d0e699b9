// The ray caster's depth against formulas, its textures against depth, its sensors against their specification.
#include "tools/synth/synth_scene.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tools/synth/synth_render.h"

namespace md::synth {
namespace {

Camera straight_ahead(int height, int width, double focal_px) {
  return {look({0, 1.5, 0}, 0, 0), height, width, focal_px};
}

/// Depth of the pixel (row, column) of a 1x1-scene image.
double depth_at(const Scene& scene, const Camera& camera, int row, int column) {
  return render_depth(scene, camera)[std::size_t(row * camera.width + column)];
}

// Depth is stored in float: 2^-24 relative.
constexpr double kFloat = 1e-6;

TEST(SynthScene, WallAheadHasTheSameDepthEverywhere) {
  Scene scene;
  scene.planes.push_back({{0, 0, 4}, {0, 0, -1}, {}});
  for (const float d : render_depth(scene, straight_ahead(24, 32, 20))) EXPECT_NEAR(d, 4, 4 * kFloat);
}

TEST(SynthScene, FloorDepthIsHeightTimesFocalOverRow) {
  Scene scene;
  scene.planes.push_back({{0, 0, 0}, {0, 1, 0}, {}});
  const Camera camera = straight_ahead(24, 32, 20);
  for (const int row : {13, 18, 23}) {
    // Similar triangles: 1.5 m below the axis at depth z stands (row + 0.5 - H/2) = 1.5 f / z pixels below the middle.
    const double expected = 1.5 * 20 / (row + 0.5 - 12);
    EXPECT_NEAR(depth_at(scene, camera, row, 0), expected, expected * kFloat);
    EXPECT_NEAR(depth_at(scene, camera, row, 31), expected, expected * kFloat);
  }
  EXPECT_EQ(depth_at(scene, camera, 5, 3), 0);  // above the horizon: nothing
}

TEST(SynthScene, SphereDepthSolvesItsQuadratic) {
  Scene scene;
  scene.spheres.push_back({{0.3, 1.4, 5}, 1, {}});
  const Camera camera = straight_ahead(33, 33, 40);
  for (const auto& [row, column] : std::vector<std::pair<int, int>>{{16, 16}, {14, 20}, {20, 22}}) {
    // A point (xz, yz, z) of the ray on the sphere: (x z - 0.3)^2 + (y z - 0.1)^2 + (z - 5)^2 = 1, y down.
    const double x = (column + 0.5 - 16.5) / 40, y = (row + 0.5 - 16.5) / 40;
    const double a = x * x + y * y + 1, b = 0.3 * x + 0.1 * y + 5, c = 0.09 + 0.01 + 25 - 1;
    const double expected = (b - std::sqrt(b * b - a * c)) / a;
    EXPECT_NEAR(depth_at(scene, camera, row, column), expected, expected * kFloat);
  }
}

TEST(SynthScene, BoxDepthIsThatOfItsFacesAlsoWhenTurned) {
  Scene scene;
  scene.boxes.push_back({{0, 1.5, 5}, {1, 1, 1}, {}});
  const Camera camera = straight_ahead(33, 33, 40);
  EXPECT_NEAR(depth_at(scene, camera, 16, 16), 4, 4 * kFloat);
  EXPECT_NEAR(depth_at(scene, camera, 10, 22), 4, 4 * kFloat);
  // Turned by 45 degrees its edge looks at us, sqrt(2) before the centre; off the axis, x = r z cuts the face
  // |x| + (5 - z) = sqrt(2) at z = (5 - sqrt(2)) / (1 - r).
  scene.boxes[0].cos_yaw = scene.boxes[0].sin_yaw = std::sqrt(0.5);
  EXPECT_NEAR(depth_at(scene, camera, 16, 16), 5 - std::sqrt(2.0), 4 * kFloat);
  const double r = 4.0 / 40, expected = (5 - std::sqrt(2.0)) / (1 - r);
  EXPECT_NEAR(depth_at(scene, camera, 16, 20), expected, 5 * kFloat);
  EXPECT_NEAR(depth_at(scene, camera, 16, 12), expected, 5 * kFloat);
}

TEST(SynthScene, CylinderDepthIsThatOfItsSideAndItsLid) {
  Scene scene;
  scene.cylinders.push_back({{0.2, 1.5, 5}, 1, 0.5, {}});
  const Camera camera = straight_ahead(33, 33, 40);
  for (const auto& [row, column] : std::vector<std::pair<int, int>>{{16, 16}, {18, 20}, {14, 12}}) {
    // A point (xz, z) of the ray on the circle: (x z - 0.2)^2 + (z - 5)^2 = 1.
    const double x = (column + 0.5 - 16.5) / 40, a = x * x + 1, b = 0.2 * x + 5, c = 0.04 + 25 - 1;
    const double expected = (b - std::sqrt(b * b - a * c)) / a;
    EXPECT_NEAR(depth_at(scene, camera, row, column), expected, expected * kFloat);
  }
  EXPECT_EQ(depth_at(scene, camera, 8, 16), 0) << "above its upper end";
  const Ray down{{0.5, 3, 5.3}, {0, -1, 0}};
  EXPECT_NEAR(scene.nearest(down).t, 1, kFloat);
  EXPECT_EQ(scene.nearest(down).normal.y, 1);
  EXPECT_FALSE(scene.nearest({{1.3, 3, 5}, {0, -1, 0}}));
  EXPECT_NEAR(scene.clearance_m({0.2, 2.3, 7}), std::hypot(0.3, 1.0), kFloat);
}

/// Shapes of every kind around (0, 1.5, 4).
Shapes some_shapes() {
  Rng rng(5, Purpose::scene);
  Shapes shapes;
  const auto place = [&] { return Vec3{rng.uniform(-1, 1), 1.5 + rng.uniform(-1, 1), 4 + rng.uniform(-1, 1)}; };
  for (int i = 0; i < 4; ++i) {
    shapes.spheres.push_back({place(), 0.2, random_texture(rng, 0.1, 0.3)});
    shapes.boxes.push_back({place(), {0.2, 0.1, 0.3}, random_texture(rng, 0.1, 0.3), 0.8, 0.6});
    shapes.cylinders.push_back({place(), 0.15, 0.3, random_texture(rng, 0.1, 0.3)});
  }
  return shapes;
}

TEST(SynthScene, AClusterIsItsShapes) {
  Scene loose, clustered;
  static_cast<Shapes&>(loose) = some_shapes();
  clustered.clusters.push_back(cluster_of(some_shapes()));
  for (Scene* scene : {&loose, &clustered}) {
    scene->planes.push_back({{0, 0, 0}, {0, 1, 0}, {}});
    scene->lights.push_back({{1, 3, 2}, 1, 5});
  }
  const Camera camera = straight_ahead(33, 33, 30);
  EXPECT_EQ(render_depth(loose, camera), render_depth(clustered, camera));
  EXPECT_EQ(render_colour(loose, camera), render_colour(clustered, camera));
  EXPECT_EQ(loose.clearance_m({0, 1, 2}), clustered.clearance_m({0, 1, 2}));
}

TEST(SynthScene, DepthIsAlongTheAxisOfATurnedCamera) {
  Scene scene;
  scene.planes.push_back({{0, 0, 0}, {0, 1, 0}, {}});
  Camera camera = straight_ahead(24, 32, 20);
  camera.pose = look({0, 1.5, 0}, 0.7, -std::atan(0.75));  // 3-4-5: looks down with sine 0.6, cosine 0.8
  // The middle of the image falls between pixels 11 and 12; their depths follow h / (0.6 + 0.8 y).
  for (const int row : {6, 11, 12, 20}) {
    const double expected = 1.5 / (0.6 + 0.8 * (row + 0.5 - 12) / 20);
    EXPECT_NEAR(depth_at(scene, camera, row, 9), expected, expected * kFloat);
  }
}

TEST(SynthScene, LightIsBlockedByWhatStandsBetween) {
  Scene scene;
  scene.planes.push_back({{0, 0, 0}, {0, 1, 0}, {}});
  scene.lights.push_back({{0, 3, 3}, 1, 1e9});
  const Ray down{{0, 1.5, 0}, {0, -0.5, 1}};  // meets the floor at z = 3, right below the light
  const double lit = scene.colour(down).x;
  scene.spheres.push_back({{0, 2.5, 3}, 0.2, {}});
  EXPECT_NEAR(lit, 0.5 * (scene.ambient + 1), 1e-3);  // slope 1, hardly any distance
  EXPECT_NEAR(scene.colour(down).x, 0.5 * scene.ambient, 1e-12);
}

TEST(SynthScene, LampsShineAndShadeNothing) {
  Scene scene;
  scene.planes.push_back({{0, 0, 0}, {0, 1, 0}, {}});
  scene.lights.push_back({{0, 3, 3}, 1, 1e9, {1, 0.5, 0}});
  const Ray down{{0, 1.5, 0}, {0, -0.5, 1}};
  const Vec3 lit = scene.colour(down);
  EXPECT_NEAR(lit.y, 0.5 * (scene.ambient + 0.5), 1e-3) << "its light has a colour";
  Texture shade;
  shade.emits = 2;
  scene.spheres.push_back({{0, 3, 3}, 0.2, shade});
  EXPECT_EQ(scene.colour(down).x, lit.x);
  EXPECT_TRUE(scene.blocked({0, 0, 3}, {0, 3, 3})) << "but it stands in the way of a sensor";
  EXPECT_NEAR(scene.colour({{0, 3, 0}, {0, 0, 1}}).z, 0.5 * (2 + scene.ambient), 1e-9) << "seen itself";
}

TEST(SynthScene, AMirrorShowsWhatItReflectsAtItsOwnDepth) {
  Scene scene;
  Texture mirror, ahead;
  mirror.reflects = 1;
  ahead.emits = 3;
  scene.planes.push_back({{0, 0, 4}, {0, 0, -1}, mirror});
  scene.planes.push_back({{0, 0, -2}, {0, 0, 1}, ahead});  // behind the camera
  const Ray ray{{0, 1.5, 0}, {0, 0.1, 1}};
  EXPECT_NEAR(scene.colour(ray).x, 0.5 * (3 + scene.ambient), 1e-9);
  EXPECT_NEAR(scene.nearest(ray).t, 4, 4 * kFloat);
  scene.planes[1].texture = mirror;  // two mirrors: one reflection, and an end
  EXPECT_NEAR(scene.colour(ray).x, 0.5 * scene.ambient, 1e-9);
}

TEST(SynthScene, NoTwoPiecesOfAMaterialAreAlikeAndNoneRepeats) {
  Rng rng(1, Purpose::scene);
  Texture material = random_texture(rng, Pattern::checks, 0.25);
  material.mottle = 0;
  const Texture one = another_piece(rng, material), two = another_piece(rng, material);
  int repeats = 0, alike = 0;
  for (int i = 0; i < 100; ++i) {
    const double u = 0.013 * i, v = 0.031 * i;
    EXPECT_NEAR(colour_at(material, u, v).x, colour_at(material, u + 0.5, v).x, 1e-12) << "checks repeat";
    repeats += colour_at(one, u, v).x == colour_at(one, u + 0.5, v).x;
    alike += colour_at(one, u, v).x == colour_at(two, u, v).x;
  }
  EXPECT_LT(repeats, 5);
  EXPECT_LT(alike, 5);
}

/// Share of the variance of `values` that bins of `key` explain (the correlation ratio), 0..1.
double explained(const std::vector<double>& values, const std::vector<int>& key) {
  std::map<int, std::pair<double, double>> bins;  // count, sum
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    bins[key[i]].first += 1;
    bins[key[i]].second += values[i];
    sum += values[i];
    squares += values[i] * values[i];
  }
  const double n = double(values.size()), mean = sum / n;
  double between = 0;
  for (const auto& [bin, total] : bins) between += total.second * total.second / total.first;
  return (between - n * mean * mean) / (squares - n * mean * mean);
}

TEST(SynthScene, ColourTellsLittleAboutDepth) {
  for (const auto& [kind, detail] : {std::pair(WorldKind::room, Detail::basic),
                                     {WorldKind::street, Detail::basic},
                                     {WorldKind::room, Detail::high}}) {
    std::vector<double> log_depth;
    std::vector<int> colour_bin;
    for (std::uint64_t number = 1; number <= 40; ++number) {
      const World world = make_world(kind, 7, number, detail);
      const Camera camera{pose_of(world, number % kFramesPerWorld), 24, 32, 26};
      const std::vector<float> depth_m = render_depth(world.scene, camera);
      const std::vector<std::uint8_t> rgb = render_colour(world.scene, camera);
      for (std::size_t p = 0; p < depth_m.size(); ++p) {
        if (depth_m[p] <= 0) continue;
        log_depth.push_back(std::log(depth_m[p]));
        colour_bin.push_back(rgb[3 * p] / 64 * 16 + rgb[3 * p + 1] / 64 * 4 + rgb[3 * p + 2] / 64);
      }
    }
    // The best predictor of depth from colour alone. 64 bins over 40 worlds of some 10 colours each explain about
    // 0.1 by chance; were colour a function of depth it would be above 0.9.
    EXPECT_LT(explained(log_depth, colour_bin), 0.25) << "kind " << int(kind) << ", detail " << int(detail);
  }
}

TEST(SynthScene, ObjectsDifferInTexture) {
  const World room = make_room(3, 1), same = make_room(3, 1), other = make_room(3, 2);
  std::set<std::uint32_t> seeds;
  for (const Plane& p : room.scene.planes) seeds.insert(p.texture.seed);
  for (const Sphere& s : room.scene.spheres) seeds.insert(s.texture.seed);
  for (const Box& b : room.scene.boxes) seeds.insert(b.texture.seed);
  EXPECT_GE(seeds.size(), 8U);
  EXPECT_EQ(room.scene.planes[0].texture.seed, same.scene.planes[0].texture.seed);
  EXPECT_NE(room.scene.planes[0].texture.seed, other.scene.planes[0].texture.seed);
}

TEST(SynthScene, EveryRoomSurroundsItsCamera) {
  for (const Detail detail : {Detail::basic, Detail::high}) {
    for (std::uint64_t number = 1; number <= 30; ++number) {
      const World room = make_room(11, number, detail);
      for (std::uint64_t frame = 0; frame < kFramesPerWorld; ++frame) {
        const Camera camera{pose_of(room, frame), 12, 16, 13};
        EXPECT_GT(room.scene.clearance_m(camera.pose.position), 0) << "room " << number;
        for (const float d : render_depth(room.scene, camera)) {
          ASSERT_GT(d, 0) << "room " << number;
          ASSERT_LT(d, 12) << "room " << number;
        }
      }
    }
  }
}

TEST(SynthScene, DetailIsAddedToTheSameFurniture) {
  double added = 0, nearer = 0, pixels = 0;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const World basic = make_room(11, number), high = make_room(11, number, Detail::high);
    for (const Cluster& cluster : high.scene.clusters) {
      const Shapes& of = cluster.shapes;
      added += double(of.boxes.size() + of.spheres.size() + of.cylinders.size());
    }
    const Camera camera{pose_of(basic, 0), 24, 32, 26};
    const std::vector<float> before = render_depth(basic.scene, camera), after = render_depth(high.scene, camera);
    for (std::size_t p = 0; p < before.size(); ++p) {
      ASSERT_LE(after[p], before[p]) << "room " << number;
      nearer += after[p] < before[p];
    }
    pixels += double(before.size());
  }
  EXPECT_GT(added / 20, 60) << "shapes a room";
  EXPECT_GT(nearer / pixels, 0.05);
  EXPECT_LT(nearer / pixels, 0.5);
}

TEST(SynthScene, KinectKeepsMostOfTheImageAndNotTheProjectorsShadow) {
  Scene scene;
  scene.planes.push_back({{0, 0, 4}, {0, 0, -1}, {}});
  scene.boxes.push_back({{0, 1.5, 2}, {0.3, 0.3, 0.05}, {}});
  const Camera camera = straight_ahead(48, 64, 52);
  std::vector<float> depth_m = render_depth(scene, camera);
  const std::vector<float> all = depth_m;
  keep_structured_light(scene, camera, 1, 0, depth_m);
  // Left of the box the wall is seen by the camera and hidden from the projector on its right; the box ends at
  // -0.3 / 1.95 * 52 = -8 pixels from the middle (column 24), the shadow is 0.075 * (1/1.95 - 1/4) * 52 = 1.03 wide.
  const auto row = depth_m.begin() + 24 * 64;
  EXPECT_EQ(std::count(row, row + 64, 0.F), 1);
  EXPECT_EQ(row[23], 0);
  for (std::size_t p = 0; p < all.size(); ++p) EXPECT_TRUE(depth_m[p] == 0 || depth_m[p] == all[p]);
}

TEST(SynthScene, KinectSeesNothingBeyondItsRange) {
  Scene scene;
  scene.planes.push_back({{0, 0, 10.5}, {0, 0, -1}, {}});
  const Camera camera = straight_ahead(8, 8, 8);
  std::vector<float> depth_m = render_depth(scene, camera);
  keep_structured_light(scene, camera, 1, 0, depth_m);
  EXPECT_EQ(std::ranges::count(depth_m, 0.F), 64);
}

TEST(SynthScene, LidarKeepsLinesOfTheRightDensity) {
  for (const auto& [height, width] : std::vector<std::pair<int, int>>{{375, 1242}, {96, 320}, {96, 128}, {64, 64}}) {
    const World street = make_street(5, 1);
    const Camera camera{pose_of(street, 2), height, width, 721.5377 * width / 1242};
    std::vector<float> depth_m = render_depth(street.scene, camera);
    keep_lidar_lines(camera, 1, depth_m);
    std::set<int> rows;  // measured within the middle eighth, where a line is straight
    std::size_t valid = 0;
    for (std::size_t p = 0; p < depth_m.size(); ++p) {
      if (depth_m[p] == 0) continue;
      ++valid;
      ASSERT_LE(depth_m[p], 80);
      const int x = int(p) % width;
      if (std::abs(x - width / 2) <= width / 16) rows.insert(int(p) / width);
    }
    const double share = double(valid) / double(depth_m.size());
    EXPECT_GE(share, 0.03) << height << "x" << width;
    EXPECT_LE(share, 0.20) << height << "x" << width;
    // At 64 rows the middle eighth is 9 pixels wide and thinned, so some of its lines go unseen.
    EXPECT_GE(rows.size(), height > 64 ? 32U : 24U) << height << "x" << width;
  }
}

}  // namespace
}  // namespace md::synth
