# A third of the 100 pairs of another camera, held out of training for validation; drawn by random.Random(0).sample from
# their numbers in order.
other_camera_holdout = [
    13, 23, 31, 42, 44, 76, 86, 88, 108, 112, 114, 117, 121, 127, 138, 142, 157, 161, 171, 173, 175, 179, 181,
    187, 193, 202, 204, 208, 212, 218, 228, 236, 252,
]
