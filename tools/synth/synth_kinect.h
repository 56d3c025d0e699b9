// Depth as a Kinect (2010, structured light) measures it: with noise, in steps, and with holes.
#pragma once
#include <cstdint>
#include <span>

#include "tools/synth/synth_render.h"

namespace md::synth {

/// Exact depth [H,W] becomes a Kinect's, 0 where it has none. Sizes in pixels are those of its 640 columns, scaled to
/// the camera's. Noise, across and along the ray: Nguyen, Izadi and Lovell, "Modeling Kinect Sensor Noise for Improved
/// 3D Reconstruction and Tracking" (3DIMPVT 2012), Eq. 1 and 4. Steps of disparity, 2.85e-3 z^2 metres apart:
/// Khoshelham and Elberink, "Accuracy and Resolution of Kinect Depth Data for Indoor Mapping Applications" (Sensors
/// 2012). Holes: those of keep_structured_light; where the 9x9 pixels that it correlates (Konolige and Mihelich,
/// "Technical description of Kinect calibration", ROS) lie on two depths; on mirrors, glass and screens; and where too
/// little of its light comes back from what is dark, far or slanted. Nguyen's noise was measured with the steps in it,
/// so that both together are up to a sixth too strong.
void measure_as_kinect(const Scene&, const Camera&, std::uint64_t noise_key, std::span<float> depth_m);

/// The depth of the nearest step of disparity.
double nearest_kinect_step_m(double depth_m);
/// Standard deviation along the ray, of a surface whose normal has this angle to it, radians below pi/2.
double kinect_axial_noise_m(double depth_m, double angle);

}  // namespace md::synth
