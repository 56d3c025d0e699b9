// The libraries in a program of one's own: the depth of a picture by a trained network.
// Usage: predict CHECKPOINT IMAGE      prints the depth in the middle of the picture, in metres
#include <cstdio>

#include "data/augment.h"
#include "data/image_io.h"
#include "engine/autograd.h"
#include "nets/trained_net.h"

int main(int, char** argv) {
  const auto net = md::load_trained_net(argv[1]);
  const md::RgbImage image = md::read_rgb(argv[2]);
  const md::Tensor input = md::Tensor::empty({1, image.height, image.width, 3});
  md::normalise(image, input.data());
  const md::NoGrad nothing_is_trained;
  const md::Tensor depth_m = net->forward(input).depth_m;  // [1,H,W,1]
  std::printf("%.6f\n", double(depth_m.data()[(image.height / 2) * image.width + image.width / 2]));
}
