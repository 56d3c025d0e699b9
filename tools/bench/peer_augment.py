"""The steps of BTS's loader on NYU, in Pillow and NumPy: the peer of mdbench's augmentation."""
import random

import numpy as np
from PIL import Image


def augment_frames():
    """Eight frames of 640x480 to 416x544."""
    noise = np.random.default_rng(0)
    smooth = [Image.fromarray(noise.integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize((640, 480)) for _ in range(8)]
    depths = [Image.fromarray(noise.integers(500, 9999, (480, 640), dtype=np.uint16).astype(np.int32)) for _ in range(8)]
    mean, deviation = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def augment(image, depth):
        image, depth = image.crop((43, 45, 608, 472)), depth.crop((43, 45, 608, 472))
        angle = (random.random() - 0.5) * 2 * 2.5
        image, depth = image.rotate(angle, resample=Image.BILINEAR), depth.rotate(angle, resample=Image.NEAREST)
        image = np.asarray(image, dtype=np.float32) / 255
        depth = np.asarray(depth, dtype=np.float32) / 1000
        x, y = random.randint(0, image.shape[1] - 544), random.randint(0, image.shape[0] - 416)
        image, depth = image[y:y + 416, x:x + 544], depth[y:y + 416, x:x + 544]
        if random.random() > 0.5:
            image, depth = image[:, ::-1].copy(), depth[:, ::-1].copy()
        if random.random() > 0.5:
            image = image ** random.uniform(0.9, 1.1) * random.uniform(0.75, 1.25)
            image = np.clip(image * np.random.uniform(0.9, 1.1, 3).astype(np.float32), 0, 1)
        return (image - mean) / deviation, np.ascontiguousarray(depth)

    return lambda: [augment(*frame) for frame in zip(smooth, depths)]
